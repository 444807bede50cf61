//! Asks etcd what the elector wants to know, watches the key, and publishes what came of it.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use metrics::{counter, gauge};
use serde_json::{Value, json};
use tokio::sync::watch;

use super::elector::{Answer, Ask, Elector, Holder};
use super::leadership::{Leadership, Member, Standing};
use super::timing::Timing;
use crate::clock::since_boot;
use crate::etcd::{Change, Changes, Client, Failure, KeyValue, Settings, Watch};
use crate::event::{ClusterChange, Events, Kind, Subject};
use crate::metrics::names;

/// The longest that the clock is not looked at: timers do not go on while the machine sleeps.
const LOOK: Duration = Duration::from_millis(500);

/// How much of a leader's name is kept: whatever stands in the key was written by others.
const LONGEST_NAME: usize = 253;

/// What one is elected for.
#[derive(Debug, Clone)]
pub(super) struct Election {
    pub etcd: Settings,
    pub key: Vec<u8>,
    pub timing: Timing,
    pub member: Member,
    /// The number of the section of the configuration.
    pub section: u64,
}

/// Whether it is to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
    /// To lead, or to be ready for it.
    Lead,
    /// To give it back, after this time, in which what is under way is killed.
    Resign(Duration),
}

/// What was waited for, with the client that it was asked by.
enum Done {
    Answered(Answer, Option<Failure>),
    Watches(Result<Watch, Failure>),
}

type Work = Pin<Box<dyn Future<Output = (Client, Done)>>>;

/// See the module.
pub(super) struct Driver {
    election: Election,
    elector: Elector,
    leadership: Arc<Leadership>,
    events: Arc<Events>,
    /// `None` while it is at work.
    client: Option<Client>,
    work: Option<Work>,
    watch: Option<Watch>,
    /// How many watches have broken since one has told something, and before what time there is no other one.
    watches_broken: u32,
    watch_due: Duration,
    /// Why the last question was not answered.
    failure: Option<String>,
    /// Since when etcd counts as gone.
    gone_since: Option<Duration>,
    /// The token of our leadership, as far as it was told.
    told: Option<i64>,
    endpoint: String,
}

impl Driver {
    pub(super) fn new(election: Election, leadership: Arc<Leadership>, events: Arc<Events>) -> Self {
        let elector = Elector::new(election.timing, since_boot());
        let client = Client::new(election.etcd.clone(), fastrand::usize(..));
        let endpoint = client.endpoint();
        // the series are there from the start, so that the first one is an increase
        counter!(names::LEADERSHIP_CHANGES.name).increment(0);
        counter!(names::RENEWALS_FAILED.name).increment(0);
        Self {
            election,
            elector,
            leadership,
            events,
            client: Some(client),
            work: None,
            watch: None,
            watches_broken: 0,
            watch_due: Duration::ZERO,
            failure: None,
            gone_since: None,
            told: None,
            endpoint,
        }
    }

    /// Runs until leadership is given back.
    pub(super) async fn run(mut self, mut wish: watch::Receiver<Wish>) {
        let mut is_wanted = true;
        loop {
            self.go_on();
            self.publish();
            if self.elector.is_over() {
                return;
            }
            let pause = self.wakes().saturating_sub(since_boot()).min(LOOK);
            tokio::select! {
                biased;
                changed = wish.changed(), if is_wanted => {
                    let after = match (changed, *wish.borrow_and_update()) {
                        (Ok(()), Wish::Lead) => continue,
                        (Ok(()), Wish::Resign(after)) => after,
                        (Err(_), _) => self.election.timing.margin(),
                    };
                    is_wanted = false;
                    self.resign(after).await;
                }
                (client, done) = at_work(&mut self.work) => {
                    self.endpoint = client.endpoint();
                    (self.client, self.work) = (Some(client), None);
                    self.heard(done);
                }
                changes = watched(&mut self.watch) => self.watched(changes),
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// When it is to be looked again what is due.
    fn wakes(&self) -> Duration {
        let is_watch_due = self.client.is_some() && self.watch.is_none() && self.elector.watched_after().is_some();
        let watch = if is_watch_due { self.watch_due } else { Duration::MAX };
        self.elector.wakes().min(watch)
    }

    /// Asks what is to be asked now.
    fn go_on(&mut self) {
        let Some(mut client) = self.client.take() else {
            // what takes too long is lost all the same
            return self.elector.expire(since_boot());
        };
        let now = since_boot();
        let ask = self.elector.poll(now);
        client.set_timeout(self.elector.patience());
        if let Some(ask) = ask {
            let (key, value, timing) = (self.election.key.clone(), self.value(), self.election.timing);
            self.work = Some(Box::pin(async move {
                let asked = ask_etcd(&mut client, ask, &key, &value, timing).await;
                let (answer, failure) = match asked {
                    Ok(answer) => (answer, None),
                    Err(failure) => (Answer::Nothing, Some(failure)),
                };
                (client, Done::Answered(answer, failure))
            }));
        } else if let (Some(after), None) = (self.elector.watched_after(), &self.watch)
            && now >= self.watch_due
        {
            let key = self.election.key.clone();
            self.work = Some(Box::pin(async move {
                let watch = client.watch(&key, b"", after + 1).await;
                (client, Done::Watches(watch))
            }));
        } else {
            self.client = Some(client);
        }
    }

    fn heard(&mut self, done: Done) {
        match done {
            Done::Watches(Ok(watch)) => self.watch = Some(watch),
            Done::Watches(Err(failure)) => self.watch_broke(&failure.to_string()),
            Done::Answered(answer, failure) => {
                if let Some(failure) = failure {
                    tracing::debug!(%failure, "etcd has not answered the election");
                    self.failure = Some(failure.to_string());
                    // it was on the same connection
                    self.watch = None;
                    if self.elector.term(since_boot()).is_some() {
                        counter!(names::RENEWALS_FAILED.name).increment(1);
                    }
                }
                self.elector.hear(answer, since_boot());
                if let Some(seen) = self.elector.is_behind() {
                    self.failure = Some(format!(
                        "its revisions have gone back below the fencing token {seen}, as after a restore: no token is used that is lower"
                    ));
                }
                // what was refused is no less so because something else was answered meanwhile
                if self.elector.silence(since_boot()).is_zero() {
                    self.failure = None;
                }
            }
        }
    }

    /// The key is looked at all the same, if less often.
    fn watch_broke(&mut self, why: &str) {
        tracing::debug!(why, "the key of the election is not watched");
        self.watch = None;
        self.watch_due = since_boot() + self.election.timing.pause_after(self.watches_broken);
        self.watches_broken = self.watches_broken.saturating_add(1);
    }

    fn watched(&mut self, changes: Result<Changes, Failure>) {
        let changes = match changes {
            Ok(Changes::Made(changes, _)) => changes,
            Ok(Changes::Compacted) => return self.watch_broke("etcd has forgotten what came first"),
            Err(failure) => return self.watch_broke(&failure.to_string()),
        };
        self.watches_broken = 0;
        for change in changes {
            if let Change::Deleted(_, revision) = change {
                self.elector.key_is_gone(revision, since_boot());
            }
        }
    }

    /// From now on nothing is done; the key is given back when what is under way can have been killed.
    async fn resign(&mut self, after: Duration) {
        let now = since_boot();
        self.elector.resign(now);
        self.publish();
        tokio::time::sleep(after).await;
        // a question that is under way is not waited for
        (self.work, self.watch) = (None, None);
        self.client.get_or_insert_with(|| Client::new(self.election.etcd.clone(), fastrand::usize(..)));
    }

    /// What stands in the key.
    fn value(&self) -> Vec<u8> {
        let Member { name, zone } = &self.election.member;
        json!({ "name": name, "zone": zone }).to_string().into_bytes()
    }

    /// Writes down how things stand, and tells what has changed.
    fn publish(&mut self) {
        let now = since_boot();
        self.tell_outage(now);
        let term = self.elector.term(now);
        let holder = self.elector.holder();
        self.leadership.set(Standing {
            member: Some(self.election.member.clone()),
            is_elected: true,
            term,
            leader: holder.map(|holder| holder.name.clone()),
            token: holder.map(|holder| holder.token),
            endpoint: self.endpoint.clone(),
            trouble: self.failure.clone().filter(|_| self.gone_since.is_some()),
            section: self.election.section,
        });
        let token = term.map(|term| term.token);
        let was = std::mem::replace(&mut self.told, token);
        if token == was {
            return;
        }
        gauge!(names::LEADER.name).set(if token.is_some() { 1.0 } else { 0.0 });
        let name = self.election.member.name.clone();
        if let Some(was) = was {
            let reason = self.elector.take_loss().unwrap_or("it was given back").to_owned();
            self.tell(ClusterChange::Lost { name: name.clone(), token: was, reason });
        }
        if let Some(token) = token {
            counter!(names::LEADERSHIP_CHANGES.name).increment(1);
            gauge!(names::FENCING_TOKEN.name).set(token as f64);
            self.tell(ClusterChange::Gained { name, token });
        }
    }

    /// Tells once that etcd is gone, and once that it is back.
    fn tell_outage(&mut self, now: Duration) {
        let is_gone = self.elector.silence(now) >= self.election.timing.gone_after();
        match self.gone_since {
            None if is_gone => {
                self.gone_since = Some(now);
                let reason = self.failure.clone().unwrap_or_default();
                self.tell(ClusterChange::Unreachable { reason });
            }
            Some(since) if self.elector.silence(now).is_zero() => {
                self.gone_since = None;
                self.tell(ClusterChange::Reachable {
                    after: now.saturating_sub(since) + self.election.timing.gone_after(),
                });
            }
            _ => {}
        }
    }

    fn tell(&self, change: ClusterChange) {
        self.events.tell(Subject::default(), Kind::Cluster(change));
    }
}

async fn ask_etcd(client: &mut Client, ask: Ask, key: &[u8], value: &[u8], timing: Timing) -> Result<Answer, Failure> {
    let seconds = |seconds: i64| Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
    Ok(match ask {
        Ask::Look => {
            let (keys, revision) = client.range(key, b"").await?;
            Answer::Holder(keys.into_iter().next().map(holder), revision)
        }
        Ask::Grant => {
            let lease = client.grant(timing.ttl().as_secs()).await?;
            Answer::Granted(lease.id, seconds(lease.ttl))
        }
        Ask::Take(lease) => match client.take(key, value, lease).await {
            Err(failure) if failure.is_not_found() => Answer::NoLease,
            taken => taken.map(|taken| Answer::Holder(taken.holder.map(holder), taken.revision))?,
        },
        Ask::Renew(lease) => {
            let kept = client.keep_alive(lease).await?;
            let (keys, revision) = client.range(key, b"").await?;
            Answer::Renewed(seconds(kept.ttl), keys.into_iter().next().map(holder), revision)
        }
        Ask::Revoke(lease) => {
            client.revoke(lease).await?;
            Answer::Revoked
        }
    })
}

fn holder(kv: KeyValue) -> Holder {
    let value = serde_json::from_slice::<Value>(&kv.value).unwrap_or_default();
    let name = match value["name"].as_str() {
        // nobody will ever renew it, and it does not run out
        _ if kv.lease == 0 => "nobody (somebody has put the key without a lease: delete it)".to_owned(),
        Some(name) => name.chars().filter(|c| !c.is_control()).take(LONGEST_NAME).collect(),
        None => "somebody without a name".to_owned(),
    };
    Holder { name, token: kv.create_revision, lease: kv.lease }
}

/// What is at work when it is done; for ever where nothing is.
async fn at_work(work: &mut Option<Work>) -> (Client, Done) {
    match work {
        Some(work) => work.await,
        None => std::future::pending().await,
    }
}

async fn watched(watch: &mut Option<Watch>) -> Result<Changes, Failure> {
    match watch {
        Some(watch) => watch.next().await,
        None => std::future::pending().await,
    }
}
