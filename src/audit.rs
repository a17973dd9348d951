//! The audit: one line for each change that someone tried to make to what is stored, with who, from
//! where, what, and how it ended. Which change a request is, is told here by its route and query, so
//! that one that is refused before any handler sees it has its line too; handlers add what only they
//! know. A line is written by the task that makes the change: it is there also when the client has
//! gone, and tells how the change ended and not what the client heard.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hyper::{Method, Response, Uri};
use log::Level;
use log::kv::Value;
use tokio_util::sync::CancellationToken;

use crate::body::Body;
use crate::context::{self, Context};
use crate::error::Error;
use crate::logging::{self, Fields};
use crate::route::{self, Query, Route};
use crate::store::ObjectMeta;

/// Of a change that was given up before it had an outcome: its client left, or the process was cut.
const CLIENT_CLOSED: u16 = 499;
/// Of one whose task panicked.
const PANICKED: u16 = 500;

/// A change that is being tried.
pub struct Change {
    action: &'static str,
    subject: Mutex<Subject>,
    /// Whether lines were written of its single objects.
    told: AtomicBool,
}

/// What it is about, as far as it is known.
#[derive(Default, Clone)]
struct Subject {
    key: Option<String>,
    /// The key that is copied or moved to.
    to: Option<String>,
    /// The version that is copied.
    source_version: Option<String>,
    /// The version that came of it, or that was deleted.
    version: Option<String>,
    size: Option<u64>,
    stored: bool,
}

tokio::task_local! {
    static CURRENT: Arc<Change>;
}

impl Change {
    /// The change that a request tries to make, if it is one.
    #[must_use]
    pub fn of(route: Route<'_>, method: &Method, uri: &Uri) -> Option<Self> {
        let plain = |action| Some(Self::new(action, Subject::default()));
        let key = match (route, method) {
            (Route::Upload, &Method::POST) => return plain("upload"),
            (Route::Uploads, &Method::POST) => return plain("resumable_create"),
            (Route::Resumable(_), &Method::PATCH) => return plain("resumable_append"),
            (Route::Resumable(_), &Method::DELETE) => return plain("resumable_cancel"),
            (Route::Files, &Method::POST | &Method::DELETE) => None,
            (Route::File(raw), &Method::PUT | &Method::POST | &Method::DELETE) => {
                // One that cannot be decoded is refused, and told as it came.
                let decoded = route::decode(raw, "invalid_key").map(std::borrow::Cow::into_owned);
                Some(decoded.unwrap_or_else(|_| raw.to_owned()))
            }
            _ => return None,
        };
        let query = Query::as_it_came(uri.query());
        let value = |name| query.value(name).ok().flatten().map(str::to_owned);
        let mut subject = Subject {
            key: key.or_else(|| value("key")),
            ..Subject::default()
        };
        let action = match *method {
            Method::PUT => "put",
            Method::DELETE if query.has("version_id") => {
                subject.version = value("version_id");
                "delete_version"
            }
            Method::DELETE => "delete",
            _ if query.has("copy_to") => {
                subject.to = value("copy_to");
                subject.source_version = value("version_id");
                "copy"
            }
            _ if query.has("move_to") => {
                subject.to = value("move_to");
                "move"
            }
            _ if query.has("restore") => {
                subject.source_version = value("restore");
                "restore"
            }
            _ if query.has("share") => "share",
            _ if query.has("delete") => "bulk_delete",
            _ => return None,
        };
        Some(Self::new(action, subject))
    }

    /// A resumable upload whose bytes are all there becomes this object.
    #[must_use]
    pub fn completing(key: &str) -> Self {
        let key = Some(key.to_owned());
        let subject = Subject {
            key,
            ..Subject::default()
        };
        Self::new("resumable_complete", subject)
    }

    fn new(action: &'static str, subject: Subject) -> Self {
        Self {
            action,
            subject: Mutex::new(subject),
            told: AtomicBool::new(false),
        }
    }

    /// It was refused before it began.
    pub fn refused(&self, context: &Context, error: &Error) {
        self.tell(Some(context), Ended::of(error));
    }

    fn subject(&self) -> MutexGuard<'_, Subject> {
        self.subject.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, context: Option<&Context>, ended: Ended) {
        // Those that it is made of have lines of their own.
        if self.told.load(Ordering::Relaxed) {
            return;
        }
        let subject = self.subject().clone();
        let action = match self.action {
            "resumable_create" | "resumable_append" if subject.stored => "resumable_complete",
            // More bytes of an upload change no object yet.
            "resumable_append" if ended.code.is_none() && ended.status < 300 => return,
            action => action,
        };
        write(context, action, &subject, ended);
    }
}

/// How a change ended.
#[derive(Clone, Copy)]
struct Ended {
    status: u16,
    code: Option<&'static str>,
}

impl Ended {
    fn well(status: u16) -> Self {
        Self { status, code: None }
    }

    fn of(error: &Error) -> Self {
        let (status, code) = error.outcome();
        Self {
            status,
            code: Some(code),
        }
    }
}

/// Does `work`, and then writes the line of what it tried to change.
///
/// Work that is told to stop before the process is `cut` has lost its client.
pub async fn watch<F>(
    change: Option<Change>,
    cut: &CancellationToken,
    work: F,
) -> Result<Response<Body>, Error>
where
    F: Future<Output = Result<Response<Body>, Error>>,
{
    let Some(change) = change.map(Arc::new) else {
        return work.await;
    };
    let mut pending = Pending(Some(Arc::clone(&change)));
    let outcome = CURRENT.scope(Arc::clone(&change), work).await;
    pending.0 = None;
    let ended = match &outcome {
        Ok(response) => Ended::well(response.status().as_u16()),
        Err(Error::ShuttingDown) if !cut.is_cancelled() => Ended::well(CLIENT_CLOSED),
        Err(error) => Ended::of(error),
    };
    change.tell(context::current().as_deref(), ended);
    outcome
}

/// A change without an outcome yet.
struct Pending(Option<Arc<Change>>);

impl Drop for Pending {
    fn drop(&mut self) {
        if let Some(change) = &self.0 {
            let status = if std::thread::panicking() {
                PANICKED
            } else {
                CLIENT_CLOSED
            };
            change.tell(context::current().as_deref(), Ended::well(status));
        }
    }
}

fn with(note: impl FnOnce(&mut Subject)) {
    let _ = CURRENT.try_with(|change| note(&mut change.subject()));
}

/// The change that is being tried is about this key.
pub fn key(key: &str) {
    with(|subject| subject.key = Some(key.to_owned()));
}

/// The change that is being tried has made this object.
pub fn stored(meta: &ObjectMeta) {
    with(|subject| {
        subject.version = meta.version_id.as_ref().map(|version| version.0.clone());
        subject.size = Some(meta.size);
        subject.stored = true;
    });
}

/// One of several objects that the request changes: this is its line. `action` is what it is called
/// where it is not the request's own.
pub fn one(
    action: Option<&'static str>,
    key: &str,
    outcome: Result<(u16, Option<&ObjectMeta>), (u16, &'static str)>,
) {
    let own = CURRENT.try_with(|change| {
        change.told.store(true, Ordering::Relaxed);
        change.action
    });
    let mut subject = Subject {
        key: Some(key.to_owned()),
        ..Subject::default()
    };
    let ended = match outcome {
        Ok((status, meta)) => {
            subject.version = meta.and_then(|meta| Some(meta.version_id.as_ref()?.0.clone()));
            subject.size = meta.map(|meta| meta.size);
            Ended::well(status)
        }
        Err((status, code)) => Ended {
            status,
            code: Some(code),
        },
    };
    let action = action.or(own.ok()).unwrap_or("-");
    write(context::current().as_deref(), action, &subject, ended);
}

/// Bytes of a value that are told: no key that is stored is longer, but one that is refused may be.
const MAX_TEXT: usize = 1024;

fn text(text: Option<&String>) -> Option<Value<'_>> {
    text.map(|text| Value::from(&text[..text.floor_char_boundary(MAX_TEXT)]))
}

fn write(context: Option<&Context>, action: &str, subject: &Subject, ended: Ended) {
    let user = context.and_then(|context| context.user.as_deref());
    let trace = context.and_then(|context| context.trace);
    let fields = [
        (
            "id",
            context.map(|context| Value::from(context.id.as_str())),
        ),
        (
            "from",
            context.map(|context| Value::from_dyn_display(&context.from)),
        ),
        ("user", Some(Value::from(user.unwrap_or("-")))),
        ("action", Some(Value::from(action))),
        ("key", text(subject.key.as_ref())),
        ("to", text(subject.to.as_ref())),
        ("source_version", text(subject.source_version.as_ref())),
        ("version", text(subject.version.as_ref())),
        ("size", subject.size.map(Value::from)),
        ("status", Some(Value::from(ended.status))),
        ("code", ended.code.map(Value::from)),
        ("trace", trace.as_ref().map(|trace| Value::from(trace.id()))),
    ];
    let message = format_args!("{action} {}", ended.status);
    logging::fields(logging::AUDIT, Level::Info, message, &Fields(&fields));
}

#[cfg(test)]
mod tests;
