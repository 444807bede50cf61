//! A backend for tests.

use std::sync::Arc;
use std::time::Duration;

use super::addresses::Addresses;
use super::{Endpoint, Live, Target};
use crate::policy;

/// One of which nothing is known.
pub fn endpoint() -> Endpoint {
    let address = ([127, 0, 0, 1], 8080).into();
    Endpoint {
        key: Endpoint::new_key(),
        id: "a".into(),
        service: "api".into(),
        name: "127.0.0.1:8080".to_owned(),
        target: Target::Tcp(address),
        outbound: None,
        addresses: Arc::new(Addresses::new([address])),
        host: "127.0.0.1".to_owned(),
        weight: 1,
        max_connections: 0,
        backup: false,
        zone: String::new(),
        draining: false,
        live: Arc::<Live>::default(),
    }
}

/// A breaker that opens after five failures in a row, for ten seconds.
pub fn breaker() -> policy::Breaker {
    policy::Breaker { failures: 5, error_rate: 0.0, open_for: Duration::from_secs(10), half_open: 1 }
}
