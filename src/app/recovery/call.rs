//! What the configuration has run or called for a strategy, and what that is told.

use std::sync::Arc;

use crate::config::model::{Means, StrategyMeans};
use crate::endpoint::Endpoint;
use crate::hook::{self, Call};
use crate::recover::Role;
use crate::recover::order::Run;
use crate::snapshot::Service;

/// By what the configuration has this done.
pub(super) fn means_of<'a>(run: &Run, means: &'a [StrategyMeans]) -> Option<&'a Means> {
    let means = means.iter().find(|means| means.strategy == run.strategy)?;
    match run.role {
        Role::Act => means.act.as_ref(),
        Role::Undo => means.undo.as_ref(),
        Role::Down => means.down.as_ref(),
    }
}

/// What is told to what is run or called.
pub(super) fn of(run: &Run, service: &str, here: Option<&Service>, token: Option<i64>) -> Call {
    let endpoint = here.zip(run.backend.as_ref()).and_then(|(here, backend)| endpoint(here, backend));
    Call {
        service: service.to_owned(),
        backend: run.backend.as_ref().map(|backend| backend.to_string()),
        address: endpoint.map(|endpoint| endpoint.name.clone()),
        fault: run.fault.as_str().to_owned(),
        attempt: run.attempt,
        number: run.number,
        token,
        run: 0,
        role: run.role.as_str(),
        strategy: run.strategy.to_string(),
    }
}

/// What would be run or called, in words, for this service.
pub(super) fn in_words(run: &Run, means: &[StrategyMeans], here: &Service) -> Option<String> {
    Some(hook::in_words(means_of(run, means)?, &of(run, &here.name, Some(here), None)))
}

/// The backend of a service with this id.
pub(super) fn endpoint<'a>(service: &'a Service, backend: &str) -> Option<&'a Arc<Endpoint>> {
    service.endpoints.iter().find(|endpoint| *endpoint.id == *backend)
}
