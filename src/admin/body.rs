//! A request's body, read whole: within a size and a time, so that nobody holds a connection by sending slowly.

use std::time::Duration;

use axum::extract::{FromRequest, Request};
use bytes::Bytes;
use http::StatusCode;
use http_body_util::{BodyExt as _, Limited};
use tokio::time::timeout;

use super::answer::Problem;

/// The largest body. A configuration's worth of names fits; nothing that is asked here needs more.
const LIMIT: usize = 64 * 1024;

/// How long it may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// The body. Handlers that take none leave this out, and then it is not read.
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
