//! `[cluster]`, checked.

use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::{Authorities, NotifySecret};

/// `[cluster]`
#[derive(Debug, Clone, PartialEq)]
pub struct Cluster {
    /// What this instance is called; `None` = as the machine.
    pub name: Option<String>,
    /// Where it is.
    pub zone: Option<String>,
    /// How one is elected; `None` = nobody is, and each instance does everything.
    pub elect: Option<Elect>,
    /// Operators' words hold at all instances, through the etcd of the election.
    pub share: bool,
}

/// `cluster.elect`
#[derive(Debug, Clone, PartialEq)]
pub struct Elect {
    /// Where and how etcd is asked.
    pub etcd: Etcd,
    /// What the keys begin with.
    pub prefix: String,
    /// How long a lease lasts: whole seconds.
    pub ttl: Duration,
}

/// A cluster of etcd, and who we are to it.
#[derive(Clone, PartialEq)]
pub struct Etcd {
    /// Its members: hosts without the brackets of IPv6, and ports. At least one.
    pub endpoints: Vec<(String, u16)>,
    /// Authorities that verify its certificates; `None` = no TLS is spoken.
    pub ca: Option<Authorities>,
    /// The certificate that we show.
    pub client: Option<Arc<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>>,
    /// The user, and its password.
    pub user: Option<(String, NotifySecret)>,
}

/// Keys are not shown.
impl std::fmt::Debug for Etcd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Etcd").field("endpoints", &self.endpoints).finish_non_exhaustive()
    }
}
