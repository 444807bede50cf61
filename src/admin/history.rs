//! `GET /api/v1/history`: what a service, or all of them together, did in the last hour.

use std::sync::Arc;

use axum::extract::{self, RawQuery};

use super::answer::{self, Answer, Problem};
use super::backends::no_service;
use super::{Shared, query};

/// `GET /api/v1/history?service=NAME`
pub(super) async fn history(
    extract::State(shared): extract::State<Arc<Shared>>,
    RawQuery(query): RawQuery,
) -> Result<Answer, Problem> {
    let service = query::service(query.as_deref().unwrap_or_default()).map_err(Problem::bad_request)?;
    if let Some(name) = &service {
        shared.service(name).ok_or_else(|| no_service(name))?;
    }
    Ok(answer::json(&shared.pasts().history(service.as_deref())))
}
