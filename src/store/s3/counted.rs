//! A connection that is counted while it is open. What goes over it is others' business.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected as Properties, Connection};

use crate::counters::Counters;

/// An open connection.
pub(super) struct Connected<T> {
    io: T,
    counters: Arc<Counters>,
}

impl<T> Connected<T> {
    pub(super) fn new(io: T, counters: Arc<Counters>) -> Self {
        counters.calls.connections.begin();
        Self { io, counters }
    }
}

impl<T> Drop for Connected<T> {
    fn drop(&mut self) {
        self.counters.calls.connections.end();
    }
}

impl<T: Connection> Connection for Connected<T> {
    fn connected(&self) -> Properties {
        self.io.connected()
    }
}

impl<T: Read + Unpin> Read for Connected<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl<T: Write + Unpin> Write for Connected<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
