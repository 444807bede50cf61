//! The URLs that keys of tokens are fetched from: now and then, and when a token is signed with a key that is not known. While a URL does not give keys that can be
//! used, the ones that are known stay in force.

use std::sync::Arc;
use std::time::Duration;

use http::{StatusCode, Uri};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::auth::jwt::{Keys, LARGEST};
use crate::config::model::{self, KeySource};
use crate::discover::pace::Pace;
use crate::event::{AccessFileChange, Events, Kind, Subject};
use crate::webhook::WebhookClient;

/// How long a URL may take to answer.
const TIME_OUT: Duration = Duration::from_secs(10);

/// Fetches the keys of the configuration in force.
pub(super) struct KeySources {
    events: Arc<Events>,
    current: Vec<KeySource>,
    tasks: Vec<JoinHandle<()>>,
}

impl KeySources {
    /// Fetches nothing yet; what happens is told to `events`.
    pub fn new(events: Arc<Events>) -> Self {
        Self { events, current: Vec::new(), tasks: Vec::new() }
    }

    /// Gives the keys that are known to the next configuration, so that nobody has to wait until they are fetched again.
    pub fn carry_over(&self, next: &model::Config) {
        for source in &next.key_sources {
            if let Some(known) = self.current.iter().find(|known| known.is_same(source)) {
                source.keys.carry_over(&known.keys);
            }
        }
    }

    /// Fetches the keys of this configuration, and no others any more.
    pub fn commit(&mut self, config: &model::Config) {
        self.tasks.drain(..).for_each(|task| task.abort());
        // those who wait for keys that this configuration fetches too go on waiting for them, and others for nothing
        let is_fetched =
            |gone: &KeySource| config.key_sources.iter().any(|source| source.keys.has_the_keys_of(&gone.keys));
        self.current.iter().filter(|known| !is_fetched(known)).for_each(|gone| gone.keys.closed());
        self.current.clone_from(&config.key_sources);
        for source in &self.current {
            self.tasks.push(tokio::task::spawn_local(fetch_forever(source.clone(), Arc::clone(&self.events))));
        }
    }
}

async fn fetch_forever(source: KeySource, events: Arc<Events>) {
    let file = shown(&source.uri);
    let client = WebhookClient::new(source.uri.clone(), None, &source.ca);
    let mut pace = Pace::new(Some(source.refresh));
    let mut told: Option<String> = None;
    loop {
        let begun = source.keys.begin();
        let fetched = match &client {
            Ok(client) => fetch(client).await,
            Err(reason) => Err(reason.clone()),
        };
        match fetched {
            Ok(keys) => {
                let is_new = !keys.are(&source.keys.current());
                if is_new || told.is_some() {
                    tell(&events, AccessFileChange::Loaded { file: file.clone(), entries: keys.len() });
                }
                source.keys.put(Arc::new(keys));
                told = None;
                pace.answered(None);
            }
            Err(reason) => {
                if told.as_ref() != Some(&reason) {
                    tell(&events, AccessFileChange::Refused { file: file.clone(), line: None, reason: reason.clone() });
                }
                told = Some(reason);
                pace.failed();
            }
        }
        source.keys.finished(begun);
        tokio::select! {
            () = pace.wait() => {}
            () = source.keys.wanted() => {}
        }
    }
}

async fn fetch(client: &WebhookClient) -> Result<Keys, String> {
    let answer = timeout(TIME_OUT, client.get(LARGEST + 1)).await;
    let answer = answer.map_err(|_| format!("no answer within {} s", TIME_OUT.as_secs()))??;
    if answer.head.status != StatusCode::OK {
        return Err(format!("the answer was {}", answer.head.status));
    }
    super::background::run(move || Keys::parse(&answer.body)).await?
}

/// A URL without its query, which may have a secret.
fn shown(uri: &Uri) -> String {
    let (scheme, authority) = (uri.scheme_str().unwrap_or_default(), uri.authority().map_or("", |one| one.as_str()));
    format!("{scheme}://{authority}{}", uri.path())
}

fn tell(events: &Events, change: AccessFileChange) {
    events.tell(Subject::default(), Kind::AccessFile(change));
}
