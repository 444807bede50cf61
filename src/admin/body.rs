//! The body of a request, read as a whole. Its size and its time are limited, so that nobody can hold a connection by sending slowly.

use std::time::Duration;

use axum::extract::{FromRequest, Request};
use bytes::Bytes;
use http::StatusCode;
use http_body_util::{BodyExt as _, Limited};
use tokio::time::timeout;

use super::answer::Problem;

/// The largest body, in bytes. Commands and heartbeats are much smaller.
const LIMIT: usize = 64 * 1024;

/// How long a body may take to come.
const PATIENCE: Duration = Duration::from_secs(10);

/// The body of a request. A handler that needs it takes this as an argument; else the body is not read.
pub(super) struct WholeBody(pub(super) Bytes);

impl<S: Sync> FromRequest<S> for WholeBody {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        match timeout(PATIENCE, Limited::new(request.into_body(), LIMIT).collect()).await {
            Ok(Ok(body)) => Ok(Self(body.to_bytes())),
            Ok(Err(_)) => Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "the body is larger than 64 KiB, or broken")),
            Err(_) => Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "the body took too long")),
        }
    }
}
