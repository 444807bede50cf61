//! What the process is connected to beside clients and backends: webhooks, a collector, copies of the ledger, stores that instances share, and etcd.
//!
//! What can fail is prepared before a configuration comes into force; to commit it can't fail.

use std::sync::Arc;

use super::{parts, rate_limits};
use crate::backup::Backups;
use crate::config::model;
use crate::lead::{self, Candidate};
use crate::metrics::Registry;
use crate::notify::{self, PreparedWebhooks, Webhooks};
use crate::otlp::{self, Exporter};
use crate::share::{Place, Sharing};
use crate::snapshot::Store;
use crate::store::limits::RateLimitStores;
use crate::store::sessions::Stores;

/// What is in use.
pub(super) struct Integrations {
    pub webhooks: Webhooks,
    /// Sends traces and metrics to a collector.
    pub exporter: Exporter,
    /// What copies the ledger.
    pub backups: Backups,
    /// The stores that sessions are shared through.
    pub stores: Stores,
    /// The stores by which rate limits are enforced together.
    pub limit_stores: RateLimitStores,
    /// Has this instance elected.
    pub candidate: Candidate,
    /// What instances share.
    pub sharing: Arc<Sharing>,
}

/// What a configuration asks for, ready to be committed.
pub(super) struct Prepared {
    webhooks: PreparedWebhooks,
    otlp: otlp::Prepared,
    cluster: lead::Prepared,
    share: Option<Place>,
}

/// Prepares what `config` asks for.
///
/// # Errors
///
/// Why that can't be used; for people.
pub(super) fn prepare(config: &model::Config) -> Result<Prepared, String> {
    Ok(Prepared {
        webhooks: notify::prepare(&config.notify)?,
        otlp: otlp::prepare(config.otlp.as_ref())?,
        cluster: parts::cluster(config)?,
        share: parts::share(config)?,
    })
}

impl Integrations {
    /// Takes on what the first configuration asks for. The exporter and the stores of sessions are needed before there is a snapshot, and so are
    /// there already.
    pub fn begin(
        (exporter, stores): (Exporter, Stores),
        prepared: Prepared,
        config: &model::Config,
        store: &Store,
        registry: &Arc<Registry>,
    ) -> Self {
        let (events, state_dir) = (|| Arc::clone(store.events()), &config.server.state_dir);
        let mut all = Self {
            webhooks: Webhooks::new(events(), Arc::clone(registry)),
            exporter,
            backups: Backups::new(state_dir, events(), Arc::clone(registry)),
            stores,
            limit_stores: RateLimitStores::new(events()),
            candidate: Candidate::new(events()),
            sharing: Arc::new(Sharing::new(state_dir, events())),
        };
        all.commit(prepared, None, config, store, registry);
        all
    }

    /// Takes on what `config` asks for, which is in force now; the one in force before was `before`.
    pub fn commit(
        &mut self,
        prepared: Prepared,
        before: Option<&model::Config>,
        config: &model::Config,
        store: &Store,
        registry: &Registry,
    ) {
        self.webhooks.commit(prepared.webhooks);
        self.exporter.commit(prepared.otlp);
        self.backups.commit(config.backup.as_ref());
        self.stores.commit(config, registry);
        self.limit_stores.commit(rate_limits::shared(config, &store.load()), registry);
        self.candidate.commit(prepared.cluster);
        if before.is_none_or(|before| before.cluster != config.cluster) {
            self.sharing.commit(prepared.share);
        }
    }
}
