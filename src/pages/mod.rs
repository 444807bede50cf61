//! What clients are shown of files: what a route responds with, the pages of errors, and the page of maintenance; and which form of it a
//! client wants.
//!
//! The control plane reads the files, and reads them again when they change. Workers read what is behind one `ArcSwap` each.

mod accept;
mod content_type;
mod error_pages;
mod file;

pub use accept::{Form, choose};
pub use error_pages::{ErrorPages, are_for_backends, nearest_pages};
pub use file::{LARGEST, PageContent, PageFile, Purpose};
