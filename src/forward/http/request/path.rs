//! What the path of a request means, and the form in which it is passed on.

use super::changes::put_path;
use crate::error::{Error, Kind, Result};
use crate::policy::PathRules;
use crate::protocol::http::Request;
use crate::route::meaning::{self, Meaning};

/// Finds out what the path means, and puts its normal form in its place where the listener wants that. `None`, which is nearly always the case: it has no
/// other spelling.
///
/// # Errors
///
/// When programs may read it in different ways, and the listener refuses that.
pub fn understand(request: &mut Request, rules: PathRules) -> Result<Option<Meaning>> {
    let Some(meaning) = meaning::read(request.uri.path()) else { return Ok(None) };
    if let Some(why) = meaning.ambiguity.filter(|_| rules.refuses_ambiguous) {
        return Err(Error::new(Kind::MalformedRequest, why));
    }
    if !rules.passes_as_sent && meaning.normal != request.uri.path() {
        put_path(&mut request.uri, meaning.normal.clone())?;
    }
    Ok(Some(meaning))
}
