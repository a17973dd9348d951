//! MinIO's bucket, asked directly, by a user who may do more than the program's: what is in it that no
//! request to the program shows.

use std::fmt::Debug;

use rusoto_core::credential::StaticProvider;
use rusoto_core::{HttpClient, Region, RusotoError};
use rusoto_s3::{
    AbortMultipartUploadRequest, CreateMultipartUploadRequest, DeleteObjectRequest,
    ListMultipartUploadsRequest, ListObjectVersionsRequest, ListObjectsV2Request, ListPartsRequest,
    PutObjectRequest, S3, S3Client,
};
use tokio::io::AsyncReadExt as _;
use tokio::runtime::{Builder, Runtime};

use super::server::{minio_admin as admin, minio_setting as setting};

pub struct Bucket {
    name: String,
    client: S3Client,
    runtime: Runtime,
}

impl Bucket {
    pub fn open() -> Self {
        let credentials =
            StaticProvider::new_minimal(admin("AWS_ACCESS_KEY_ID"), admin("AWS_SECRET_ACCESS_KEY"));
        let region = Region::Custom {
            name: setting("AWS_REGION"),
            endpoint: setting("AWS_ENDPOINT_URL_S3"),
        };
        Self {
            name: setting("BUCKET_NAME"),
            client: S3Client::new_with(HttpClient::new().unwrap(), credentials, region),
            runtime: Builder::new_current_thread().enable_all().build().unwrap(),
        }
    }

    /// Sends a request; again when its connection was closed meanwhile, as idle ones are.
    fn ask<T, E: Debug, F>(&self, call: impl Fn() -> F) -> T
    where
        F: Future<Output = Result<T, RusotoError<E>>>,
    {
        for _ in 1..5 {
            match self.runtime.block_on(call()) {
                Err(RusotoError::HttpDispatch(_)) => {}
                outcome => return outcome.unwrap(),
            }
        }
        self.runtime.block_on(call()).unwrap()
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// Ids of the uploads in parts that are open at exactly this key: MinIO knows them by no
    /// shorter prefix.
    pub fn multiparts(&self, key: &str) -> Vec<String> {
        let request = ListMultipartUploadsRequest {
            bucket: self.name.clone(),
            prefix: Some(key.to_owned()),
            ..ListMultipartUploadsRequest::default()
        };
        let listed = self.ask(|| self.client.list_multipart_uploads(request.clone()));
        let uploads = listed.uploads;
        let ids = uploads.into_iter().flatten();
        ids.map(|upload| upload.upload_id.unwrap()).collect()
    }

    /// Begins an upload in parts, as another program might; its id.
    pub fn begin(&self, key: &str) -> String {
        let request = CreateMultipartUploadRequest {
            bucket: self.name.clone(),
            key: key.to_owned(),
            ..CreateMultipartUploadRequest::default()
        };
        let created = self.ask(|| self.client.create_multipart_upload(request.clone()));
        created.upload_id.unwrap()
    }

    /// Gives an upload in parts up.
    pub fn abort(&self, key: &str, upload_id: &str) {
        let request = AbortMultipartUploadRequest {
            bucket: self.name.clone(),
            key: key.to_owned(),
            upload_id: upload_id.to_owned(),
            ..AbortMultipartUploadRequest::default()
        };
        self.ask(|| self.client.abort_multipart_upload(request.clone()));
    }

    /// Whether an upload in parts, which must be there, has any.
    pub fn has_parts(&self, key: &str, upload_id: &str) -> bool {
        let request = ListPartsRequest {
            bucket: self.name.clone(),
            key: key.to_owned(),
            upload_id: upload_id.to_owned(),
            ..ListPartsRequest::default()
        };
        let listed = self.ask(|| self.client.list_parts(request.clone()));
        let parts = listed.parts;
        parts.is_some_and(|parts| !parts.is_empty())
    }

    /// Keys that begin so and have a current object.
    pub fn keys(&self, prefix: &str) -> Vec<String> {
        let mut keys = Vec::new();
        let mut token = None;
        loop {
            let request = ListObjectsV2Request {
                bucket: self.name.clone(),
                prefix: Some(prefix.to_owned()),
                continuation_token: token,
                ..ListObjectsV2Request::default()
            };
            let page = self.ask(|| self.client.list_objects_v2(request.clone()));
            let found = page.contents.into_iter().flatten();
            keys.extend(found.filter_map(|object| object.key));
            token = page.next_continuation_token;
            if token.is_none() {
                return keys;
            }
        }
    }

    /// Keys and versions of everything that begins so, delete markers too (1,000 at most).
    pub fn versions(&self, prefix: &str) -> Vec<(String, String)> {
        let request = ListObjectVersionsRequest {
            bucket: self.name.clone(),
            prefix: Some(prefix.to_owned()),
            ..ListObjectVersionsRequest::default()
        };
        let page = self.ask(|| self.client.list_object_versions(request.clone()));
        let versions = page.versions.into_iter().flatten();
        let versions = versions.map(|version| (version.key, version.version_id));
        let markers = page.delete_markers.into_iter().flatten();
        let markers = markers.map(|marker| (marker.key, marker.version_id));
        versions
            .chain(markers)
            .map(|(key, version)| (key.unwrap(), version.unwrap()))
            .collect()
    }

    pub fn read(&self, key: &str) -> Vec<u8> {
        let request = rusoto_s3::GetObjectRequest {
            bucket: self.name.clone(),
            key: key.to_owned(),
            ..rusoto_s3::GetObjectRequest::default()
        };
        let got = self.ask(|| self.client.get_object(request.clone()));
        let mut bytes = Vec::new();
        let mut body = got.body.unwrap().into_async_read();
        self.runtime.block_on(body.read_to_end(&mut bytes)).unwrap();
        bytes
    }

    /// Replaces an object: no former version stays.
    pub fn replace(&self, key: &str, bytes: &[u8]) {
        let before = self.versions(key);
        self.ask(|| {
            self.client.put_object(PutObjectRequest {
                bucket: self.name.clone(),
                key: key.to_owned(),
                body: Some(bytes.to_vec().into()),
                ..PutObjectRequest::default()
            })
        });
        for (key, version) in before {
            let request = DeleteObjectRequest {
                bucket: self.name.clone(),
                key,
                version_id: Some(version),
                ..DeleteObjectRequest::default()
            };
            self.ask(|| self.client.delete_object(request.clone()));
        }
    }
}
