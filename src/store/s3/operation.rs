//! Which operation of S3's API a request is, by the names of `metrics::calls`.

use rusoto_core::signature::SignedRequest;

/// Its name.
pub(super) fn of(request: &SignedRequest) -> &'static str {
    let has = |name: &str| request.params.contains_key(name);
    let is_copy = request.headers().contains_key("x-amz-copy-source");
    match request.method.as_str() {
        "GET" if has("list-type") => "ListObjectsV2",
        "GET" if has("versions") => "ListObjectVersions",
        "GET" if has("uploadId") => "ListParts",
        "GET" => "GetObject",
        "HEAD" => "HeadObject",
        "PUT" if has("uploadId") && is_copy => "UploadPartCopy",
        "PUT" if has("uploadId") => "UploadPart",
        "PUT" if is_copy => "CopyObject",
        "PUT" => "PutObject",
        "POST" if has("uploads") => "CreateMultipartUpload",
        "POST" if has("uploadId") => "CompleteMultipartUpload",
        "DELETE" if has("uploadId") => "AbortMultipartUpload",
        "DELETE" => "DeleteObject",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use rusoto_core::Region;

    use super::*;
    use crate::metrics::calls::OPERATIONS;

    #[test]
    fn each_request_has_the_name_of_its_operation() {
        for (method, params, want) in [
            ("GET", &["list-type", "prefix"][..], "ListObjectsV2"),
            ("GET", &["versions"], "ListObjectVersions"),
            ("GET", &["uploadId"], "ListParts"),
            ("GET", &["versionId"], "GetObject"),
            ("HEAD", &[], "HeadObject"),
            ("PUT", &["partNumber", "uploadId"], "UploadPart"),
            ("PUT", &[], "PutObject"),
            ("POST", &["uploads"], "CreateMultipartUpload"),
            ("POST", &["uploadId"], "CompleteMultipartUpload"),
            ("DELETE", &["uploadId"], "AbortMultipartUpload"),
            ("DELETE", &[], "DeleteObject"),
            ("PATCH", &[], "other"),
        ] {
            let mut request = SignedRequest::new(method, "s3", &Region::UsEast1, "/b/k");
            for param in params {
                request.add_param(*param, "");
            }
            assert_eq!(of(&request), want);
            assert!(OPERATIONS.contains(&want));
            request.add_header("x-amz-copy-source", "/b/k");
            let copied = of(&request);
            assert_eq!(
                copied != want,
                matches!(want, "UploadPart" | "PutObject"),
                "{copied}"
            );
            assert!(OPERATIONS.contains(&copied));
        }
    }
}
