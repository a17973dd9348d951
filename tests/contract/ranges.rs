//! Parts of objects.

use cloud_portfolio::store::{ByteRange, RangeSpec, StoreError};

use super::backend::{Bench, key, read};
use crate::s3::assert_err;
use crate::support::Noise;

/// Whether the range asks for more bytes from the end than there are, where that is too much.
fn is_too_much(bench: &Bench, spec: RangeSpec, size: u64) -> bool {
    let too_long = matches!(spec, RangeSpec::Last(count) if count > size);
    too_long && !bench.can.serves_long_suffixes.yes()
}

pub async fn a_range_gives_its_bytes_and_the_size_of_the_whole(bench: &Bench) {
    let put = bench.put("digits", b"0123456789").await;
    for (spec, bytes, start) in [
        (RangeSpec::From(0), "0123456789", 0),
        (RangeSpec::From(7), "789", 7),
        (RangeSpec::From(9), "9", 9),
        (RangeSpec::Between(0, 0), "0", 0),
        (RangeSpec::Between(2, 4), "234", 2),
        (RangeSpec::Between(2, 9), "23456789", 2),
        (RangeSpec::Between(8, 10), "89", 8),
        (RangeSpec::Between(8, 1_000_000_000_000), "89", 8),
        (RangeSpec::Last(1), "9", 9),
        (RangeSpec::Last(3), "789", 7),
        (RangeSpec::Last(10), "0123456789", 0),
        (RangeSpec::Last(11), "0123456789", 0),
        (RangeSpec::Last(1_000_000_000_000), "0123456789", 0),
        // What a client may write, RFC 9110 setting no bound.
        (RangeSpec::Between(8, u64::MAX), "89", 8),
        (RangeSpec::Last(u64::MAX), "0123456789", 0),
    ] {
        let get = bench
            .store
            .get(&key("digits"), None, Some(spec), Some(&put.etag))
            .await;
        if is_too_much(bench, spec, 10) {
            assert!(get.is_err(), "{spec:?}");
            continue;
        }
        let get = get.unwrap_or_else(|error| panic!("{spec:?}: {error:?}"));
        let end = start + bytes.len() as u64;
        assert_eq!(get.range, Some(ByteRange { start, end }), "{spec:?}");
        assert_eq!((get.meta.size, &get.meta.etag), (10, &put.etag), "{spec:?}");
        assert_eq!(read(get.body).await.unwrap(), bytes.as_bytes(), "{spec:?}");
    }
}

pub async fn a_range_that_covers_nothing_tells_the_size(bench: &Bench) {
    bench.put("digits", b"0123456789").await;
    for spec in [
        RangeSpec::From(10),
        RangeSpec::From(1_000_000_000_000),
        RangeSpec::From(u64::MAX),
        RangeSpec::Between(10, 20),
        RangeSpec::Between(u64::MAX, u64::MAX),
        RangeSpec::Last(0),
    ] {
        let get = bench
            .store
            .get(&key("digits"), None, Some(spec), None)
            .await;
        assert_err!(get, StoreError::Range { size: 10 }, "{spec:?}");
    }
}

pub async fn a_range_of_an_empty_object_covers_nothing(bench: &Bench) {
    bench.put("empty", b"").await;
    for spec in [
        RangeSpec::From(0),
        RangeSpec::Between(0, 0),
        RangeSpec::Last(1),
    ] {
        let get = bench.store.get(&key("empty"), None, Some(spec), None).await;
        if is_too_much(bench, spec, 0) {
            assert!(get.is_err(), "{spec:?}");
            continue;
        }
        assert_err!(get, StoreError::Range { size: 0 }, "{spec:?}");
    }
}

pub async fn a_range_of_a_large_object_is_exact(bench: &Bench) {
    let bytes = Noise::bytes(4, 3_000_000);
    bench.put("large", &bytes).await;
    for (first, last) in [(262_143, 524_288), (1, 2_999_998), (2_999_999, 2_999_999)] {
        let spec = RangeSpec::Between(first, last);
        let get = bench
            .store
            .get(&key("large"), None, Some(spec), None)
            .await
            .unwrap();
        assert_eq!(get.meta.size, 3_000_000);
        let got = read(get.body).await.unwrap();
        assert!(
            got == bytes[first as usize..=last as usize],
            "{first}-{last}"
        );
    }
}
