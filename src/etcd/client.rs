//! The calls, at one of several endpoints.

use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::HeaderValue;
use rustls::ClientConfig;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::connection::{Connection, Failure, Messages};
use super::endpoint::Endpoint;
use super::message::{self, KeyValue, Lease, Page, Replaced, Taken};
use super::watch::Watch;
use crate::protobuf::Malformed;

const RANGE: &str = "/etcdserverpb.KV/Range";

/// Who we are. The password is not shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The user.
    pub user: String,
    /// The password.
    pub password: String,
}

/// What a client is made of.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The members; at least one.
    pub endpoints: Vec<Endpoint>,
    /// TLS, where it is spoken.
    pub tls: Option<Arc<ClientConfig>>,
    /// Who we are, where etcd asks for it.
    pub credentials: Option<Credentials>,
    /// How long a call may take, the connection included.
    pub timeout: Duration,
}

/// A client of one cluster of etcd.
#[derive(Debug)]
pub struct Client {
    settings: Settings,
    /// The endpoint that is asked.
    at: usize,
    open: Option<Connection>,
    token: Option<HeaderValue>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("user", &self.user).finish_non_exhaustive()
    }
}

impl Client {
    /// Connects with the first call. The endpoint that is asked first is drawn by `random`, so that not all ask the same.
    pub fn new(settings: Settings, random: usize) -> Self {
        let at = random % settings.endpoints.len().max(1);
        Self { settings, at, open: None, token: None }
    }

    /// Has the next call go to the next endpoint, on a connection of its own: a watch that has broken says that this one is of no use.
    pub fn leave_endpoint(&mut self) {
        self.open = None;
        self.at = (self.at + 1) % self.settings.endpoints.len().max(1);
    }

    /// The endpoint that is asked, for people.
    pub fn endpoint(&self) -> String {
        self.settings.endpoints.get(self.at).map(ToString::to_string).unwrap_or_default()
    }

    /// How long a call may take from now on.
    pub fn set_timeout(&mut self, timeout: Duration) {
        self.settings.timeout = timeout;
    }

    /// All keys from `key` up to `end`, and the revision at which they were so; an empty `end` = the one key.
    ///
    /// # Errors
    ///
    /// Why there is no answer.
    pub async fn range(&mut self, key: &[u8], end: &[u8]) -> Result<(Vec<KeyValue>, i64), Failure> {
        let Page { keys, revision, .. } = self.page(key, end, 0, 0).await?;
        Ok((keys, revision))
    }

    /// The first `limit` keys from `key` up to `end` as they were at this revision; 0 = all of them, and at the newest one.
    ///
    /// # Errors
    ///
    /// Why there is no answer: such a revision may be gone.
    pub async fn page(&mut self, key: &[u8], end: &[u8], limit: u64, revision: i64) -> Result<Page, Failure> {
        let answer = self.call(RANGE, &message::range(key, end, limit, revision)).await?;
        message::page(&answer).map_err(unreadable)
    }

    /// How many keys there are from `key` up to `end`. A member that is cut off from most others has no answer to this.
    ///
    /// # Errors
    ///
    /// Why there is no answer.
    pub async fn count(&mut self, key: &[u8], end: &[u8]) -> Result<usize, Failure> {
        let answer = self.call(RANGE, &message::count(key, end)).await?;
        message::page(&answer).map(|page| page.count).map_err(unreadable)
    }

    /// Makes a key with this value, which goes with the lease, unless there is one already.
    ///
    /// # Errors
    ///
    /// Why there is no answer. The key may have been made all the same.
    pub async fn take(&mut self, key: &[u8], value: &[u8], lease: i64) -> Result<Taken, Failure> {
        let answer = self.call("/etcdserverpb.KV/Txn", &message::take(key, value, lease)).await?;
        let made = KeyValue { key: key.to_vec(), value: value.to_vec(), create_revision: 0, mod_revision: 0, lease };
        message::taken(&answer, made).map_err(unreadable)
    }

    /// Gives a key this value, which goes with the lease (0 = it stays), if it was changed last at this revision; 0 = it is not there.
    ///
    /// # Errors
    ///
    /// Why there is no answer. The key may have its value all the same.
    pub async fn replace(
        &mut self,
        key: &[u8],
        value: &[u8],
        lease: i64,
        changed_at: i64,
    ) -> Result<Replaced, Failure> {
        let answer = self.call("/etcdserverpb.KV/Txn", &message::replace(key, value, lease, changed_at)).await?;
        message::replaced(&answer).map_err(unreadable)
    }

    /// Gives a key this value, which goes with the lease, whatever it had before.
    ///
    /// # Errors
    ///
    /// Why there is no answer. The key may have its value all the same.
    pub async fn put(&mut self, key: &[u8], value: &[u8], lease: i64) -> Result<(), Failure> {
        self.call("/etcdserverpb.KV/Put", &message::put(key, value, lease)).await.map(|_| ())
    }

    /// A new lease of so many seconds. etcd may make it longer.
    ///
    /// # Errors
    ///
    /// Why there is no answer. There may be a lease all the same, which runs out.
    pub async fn grant(&mut self, ttl: u64) -> Result<Lease, Failure> {
        let answer = self.call("/etcdserverpb.Lease/LeaseGrant", &message::grant(ttl)).await?;
        message::lease(&answer).map_err(unreadable)
    }

    /// Has a lease last for its whole time from now on. One that has run out lasts 0 s.
    ///
    /// # Errors
    ///
    /// Why there is no answer.
    pub async fn keep_alive(&mut self, lease: i64) -> Result<Lease, Failure> {
        let answer = self.call("/etcdserverpb.Lease/LeaseKeepAlive", &message::of_lease(lease)).await?;
        message::lease(&answer).map_err(unreadable)
    }

    /// Ends a lease: what goes with it is deleted at once. One that has run out already is no mistake.
    ///
    /// # Errors
    ///
    /// Why there is no answer.
    pub async fn revoke(&mut self, lease: i64) -> Result<(), Failure> {
        match self.call("/etcdserverpb.Lease/LeaseRevoke", &message::of_lease(lease)).await {
            Err(failure) if !failure.is_not_found() => Err(failure),
            _ => Ok(()),
        }
    }

    /// What happens to these keys from this revision on. The watch ends when it is dropped, and breaks with the connection.
    ///
    /// # Errors
    ///
    /// Why there is no answer.
    pub async fn watch(&mut self, key: &[u8], end: &[u8], from: i64) -> Result<Watch, Failure> {
        let message = message::watch(key, end, from);
        let (messages, open) =
            self.within_time(async |client| client.stream("/etcdserverpb.Watch/Watch", &message).await).await?;
        Ok(Watch::new(messages, open))
    }

    async fn call(&mut self, path: &'static str, message: &[u8]) -> Result<Bytes, Failure> {
        self.within_time(async |client| {
            let token = client.token().await?;
            client.connection().await?.call(path, message, token.as_ref()).await
        })
        .await
    }

    async fn stream(
        &mut self,
        path: &'static str,
        message: &[u8],
    ) -> Result<(Messages, oneshot::Sender<Infallible>), Failure> {
        let token = self.token().await?;
        let (open, is_open) = oneshot::channel();
        let messages = self.connection().await?.stream(path, message, token.as_ref(), is_open).await?;
        Ok((messages, open))
    }

    /// Does it in time. When there is no answer, the next call goes to the next endpoint.
    async fn within_time<T>(&mut self, call: impl AsyncFn(&mut Self) -> Result<T, Failure>) -> Result<T, Failure> {
        let limit = self.settings.timeout;
        let late =
            || Failure::NoAnswer(format!("{}: no answer within {} s", self.endpoint(), limit.as_millis() as f64 / 1e3));
        let late = late();
        let done = timeout(limit, async {
            let done = call(self).await;
            if !done.as_ref().is_err_and(Failure::is_about_token) || self.settings.credentials.is_none() {
                return done;
            }
            // a token is forgotten by a member that was started anew, after five minutes, and (JWT) when users or roles are changed; and there is
            // none yet if etcd began to ask for one only now
            self.token = None;
            call(self).await
        })
        .await
        .unwrap_or(Err(late));
        if done.as_ref().is_err_and(Failure::is_of_endpoint) {
            self.leave_endpoint();
        }
        done
    }

    async fn connection(&mut self) -> Result<&mut Connection, Failure> {
        let open = match self.open.take() {
            Some(open) => open,
            None => {
                let endpoint = self.settings.endpoints.get(self.at);
                let endpoint = endpoint.ok_or_else(|| Failure::NoAnswer("there is no endpoint".to_owned()))?;
                Connection::open(endpoint, self.settings.tls.as_ref()).await?
            }
        };
        Ok(self.open.insert(open))
    }

    /// What shows who we are.
    async fn token(&mut self) -> Result<Option<HeaderValue>, Failure> {
        let Some(Credentials { user, password }) = self.settings.credentials.clone() else { return Ok(None) };
        if self.token.is_none() {
            let message = message::authenticate(&user, &password);
            let answer = self.connection().await?.call("/etcdserverpb.Auth/Authenticate", &message, None).await;
            let answer = match answer {
                // etcd does not ask who we are (yet, or for a while)
                Err(failure) if failure.is_without_users() => return Ok(None),
                answer => answer?,
            };
            let token = message::token(&answer).map_err(unreadable)?;
            let mut token = HeaderValue::from_bytes(&token).map_err(|error| Failure::NoAnswer(error.to_string()))?;
            token.set_sensitive(true);
            self.token = Some(token);
        }
        Ok(self.token.clone())
    }
}

fn unreadable(_: Malformed) -> Failure {
    Failure::NoAnswer("etcd has sent what can't be read".to_owned())
}
