//! What clients are shown during maintenance.

use std::sync::Arc;

use http::StatusCode;

use crate::auth::AccessList;
use crate::pages::PageFile;

/// What the clients of a listener, or of a service, are shown during maintenance, whoever has begun it.
#[derive(Debug, Clone)]
pub struct Maintenance {
    /// The file says that it is under way.
    pub enabled: bool,
    /// The page; `None` = that of `error_pages`, or text.
    pub page: Option<Arc<PageFile>>,
    /// Who gets through; `None` = nobody.
    pub allow: Option<Arc<AccessList>>,
    /// The status.
    pub status: StatusCode,
    /// `Retry-After`, in seconds; `None` = by the time that is left.
    pub retry_after: Option<u64>,
}

impl Default for Maintenance {
    fn default() -> Self {
        Self { enabled: false, page: None, allow: None, status: StatusCode::SERVICE_UNAVAILABLE, retry_after: None }
    }
}
