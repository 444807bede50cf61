//! An etcd of one member, as much of it as the proxy asks for: keys, leases that run out, transactions on one key, watches that begin in the past, and
//! compaction;
//! over gRPC.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::{Duration, Instant};

use bytes::{BufMut as _, Bytes, BytesMut};
use evenkeel::protobuf::{Value, Writer, field};
use h2::RecvStream;
use h2::server::SendResponse;
use http::{HeaderMap, HeaderValue, Request, Response};
use tokio::sync::mpsc;

use super::h2 as http2;

/// How often leases are looked at.
const LOOK: Duration = Duration::from_millis(50);

/// See the module. It listens until it goes out of scope.
pub struct Etcd {
    state: Arc<Mutex<State>>,
    origin: http2::Origin,
}

#[derive(Default)]
struct State {
    revision: u64,
    leases: BTreeMap<u64, (u64, Instant)>,
    keys: BTreeMap<Vec<u8>, Key>,
    /// Every change: its revision, its key, and the key as it was then; `None` = it was deleted.
    history: Vec<(u64, Vec<u8>, Option<Key>)>,
    /// The revisions before this one are gone.
    compacted: u64,
    watches: Vec<Watch>,
    /// Watches are told nothing.
    is_deaf: bool,
    /// Nobody gets an answer.
    is_silent: bool,
    /// How often a key was to be made.
    takes: usize,
    /// The methods that were called.
    calls: Vec<String>,
    /// Who may ask, where not everybody may.
    password: Option<(String, String)>,
    /// How often all tokens were forgotten, and what is said to who shows one of those.
    tokens: usize,
    forgotten: (u32, &'static str),
    /// What every call is refused with.
    refusal: Option<(u32, &'static str)>,
    /// Each watch is ended at once.
    refuses_watches: bool,
}

#[derive(Clone)]
struct Key {
    value: Vec<u8>,
    created: u64,
    modified: u64,
    lease: u64,
}

struct Watch {
    key: Vec<u8>,
    end: Vec<u8>,
    tell: mpsc::UnboundedSender<Vec<u8>>,
}

impl Etcd {
    pub fn start() -> Self {
        let state = Arc::new(Mutex::new(State {
            revision: 1,
            forgotten: (16, "etcdserver: invalid auth token"),
            ..State::default()
        }));
        let known = Arc::clone(&state);
        let origin = http2::Origin::script(move |request, respond| call(request, respond, Arc::clone(&known)));
        let leases = Arc::downgrade(&state);
        std::thread::spawn(move || expire(&leases));
        Self { state, origin }
    }

    /// As written in a configuration.
    pub fn url(&self) -> String {
        format!("http://{}", self.origin.address())
    }

    /// From now on nobody gets an answer, or everybody does again.
    pub fn set_silent(&self, is_silent: bool) {
        self.lock().is_silent = is_silent;
    }

    /// Who calls without a token that this user's password gives is refused.
    pub fn set_password(&self, user: &str, password: &str) {
        self.lock().password = Some((user.to_owned(), password.to_owned()));
    }

    /// Every token that was given is no good any more, and whoever shows one is told so.
    pub fn forget_tokens(&self, status: u32, words: &'static str) {
        let mut state = self.lock();
        state.tokens += 1;
        state.forgotten = (status, words);
    }

    /// Who shows no token is welcome again.
    pub fn disable_users(&self) {
        self.lock().password = None;
    }

    /// Refuses each call from now on.
    pub fn refuse(&self, status: u32, words: &'static str) {
        self.lock().refusal = Some((status, words));
    }

    /// Ends each watch as soon as it is made, as etcd does where what it would begin with is compacted.
    pub fn refuse_watches(&self) {
        self.lock().refuses_watches = true;
    }

    /// How often this method was called.
    pub fn calls(&self, method: &str) -> usize {
        self.lock().calls.iter().filter(|call| call.ends_with(method)).count()
    }

    /// How often a key was to be made where there is none, as an election does.
    pub fn takes(&self) -> usize {
        self.lock().takes
    }

    /// The value of a key, and the revision at which it was made.
    pub fn get(&self, key: &str) -> Option<(String, u64)> {
        let state = self.lock();
        let key = state.keys.get(key.as_bytes())?;
        Some((String::from_utf8(key.value.clone()).unwrap(), key.created))
    }

    /// The keys that begin like this.
    pub fn keys(&self, prefix: &str) -> Vec<String> {
        let state = self.lock();
        let names = state.keys.keys().map(|key| String::from_utf8(key.clone()).unwrap());
        names.filter(|key| key.starts_with(prefix)).collect()
    }

    /// Sets a key, as a person would.
    pub fn put(&self, key: &str, value: &str) {
        self.lock().put(key.as_bytes(), value.as_bytes(), 0);
    }

    /// The next change has the revision after this one, which may be lower than the last one had: a copy was restored.
    pub fn go_to_revision(&self, revision: u64) {
        self.lock().revision = revision;
    }

    /// Deletes a key.
    pub fn delete(&self, key: &str) {
        self.lock().delete(key.as_bytes());
    }

    /// Sets a key that goes with a lease; gives back the lease.
    pub fn put_leased(&self, key: &str, value: &str) -> u64 {
        let mut state = self.lock();
        let (lease, ttl) = (9_000_000 + state.revision, Duration::from_secs(3600));
        state.leases.insert(lease, (ttl.as_secs(), Instant::now() + ttl));
        state.put(key.as_bytes(), value.as_bytes(), lease);
        lease
    }

    /// A lease runs out.
    pub fn run_out(&self, lease: u64) {
        self.lock().revoke(lease);
    }

    /// Sets a key of which no watch is told: it has not got so far when [`compact`](Self::compact) overtakes it.
    pub fn put_unseen(&self, key: &str, value: &str) {
        let mut state = self.lock();
        state.is_deaf = true;
        state.put(key.as_bytes(), value.as_bytes(), 0);
        state.is_deaf = false;
    }

    /// Forgets what was before the newest revision, which ends the watches: they have not got so far.
    pub fn compact(&self) {
        let mut state = self.lock();
        state.compacted = state.revision;
        let end = state.compacted_message();
        // a watch ends when nobody can tell it anything any more
        state.watches.drain(..).for_each(|watch| drop(watch.tell.send(end.clone())));
    }

    /// Ends all watches, as a member does that stops.
    pub fn end_watches(&self) {
        self.lock().watches.clear();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

fn expire(state: &Weak<Mutex<State>>) {
    while let Some(state) = state.upgrade() {
        let mut state = state.lock().unwrap();
        let now = Instant::now();
        let over: Vec<u64> =
            state.leases.iter().filter(|(_, (_, until))| *until <= now).map(|(lease, _)| *lease).collect();
        over.into_iter().for_each(|lease| state.revoke(lease));
        drop(state);
        std::thread::sleep(LOOK);
    }
}

impl State {
    fn put(&mut self, key: &[u8], value: &[u8], lease: u64) {
        self.revision += 1;
        let created = self.keys.get(key).map_or(self.revision, |known| known.created);
        let new = Key { value: value.to_vec(), created, modified: self.revision, lease };
        self.keys.insert(key.to_vec(), new.clone());
        self.history.push((self.revision, key.to_vec(), Some(new.clone())));
        self.tell(key, self.revision, Some(&new));
    }

    fn delete(&mut self, key: &[u8]) {
        if self.keys.remove(key).is_none() {
            return;
        }
        self.revision += 1;
        self.history.push((self.revision, key.to_vec(), None));
        self.tell(key, self.revision, None);
    }

    fn revoke(&mut self, lease: u64) {
        self.leases.remove(&lease);
        let gone: Vec<_> = self.keys.iter().filter(|(_, key)| key.lease == lease).map(|(key, _)| key.clone()).collect();
        gone.iter().for_each(|key| self.delete(key));
    }

    fn tell(&mut self, key: &[u8], revision: u64, now: Option<&Key>) {
        if self.is_silent || self.is_deaf {
            return;
        }
        let message = self.event(key, revision, now);
        self.watches.retain(|watch| !is_in(key, &watch.key, &watch.end) || watch.tell.send(message.clone()).is_ok());
    }

    /// The message of a watch about one change.
    fn event(&self, key: &[u8], revision: u64, now: Option<&Key>) -> Vec<u8> {
        let mut writer = Writer::default();
        self.header(&mut writer);
        writer.message(11, |event| match now {
            Some(now) => event.message(2, |kv| write_key(kv, key, now)),
            None => {
                event.varint(1, 1);
                event.message(2, |kv| {
                    kv.bytes(1, key);
                    kv.varint(3, revision);
                });
            }
        });
        writer.into_bytes()
    }

    /// The message that ends a watch, because what it would tell first is gone.
    fn compacted_message(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        self.header(&mut writer);
        writer.varint(4, 1);
        writer.varint(5, self.compacted);
        writer.into_bytes()
    }

    /// Begins a watch: what it tells first, and what it tells then.
    fn watch(&mut self, message: &[u8]) -> (Vec<u8>, mpsc::UnboundedReceiver<Vec<u8>>) {
        let create = bytes(message, 1);
        let watch = (bytes(&create, 1), bytes(&create, 2), number(&create, 3));
        let (tell, told) = mpsc::unbounded_channel();
        let mut created = Writer::default();
        self.header(&mut created);
        let (key, end, from) = watch;
        if self.refuses_watches {
            created.varint(4, 1);
            created.varint(5, self.revision + 1);
            return (created.into_bytes(), told);
        }
        created.varint(3, 1);
        if from > 0 && from <= self.compacted {
            tell.send(self.compacted_message()).unwrap();
        } else {
            let since = self.history.iter().filter(|(at, name, _)| from > 0 && *at >= from && is_in(name, &key, &end));
            since.for_each(|(at, name, now)| tell.send(self.event(name, *at, now.as_ref())).unwrap());
            self.watches.push(Watch { key, end, tell });
        }
        (created.into_bytes(), told)
    }

    /// The keys as they were at a revision.
    fn at(&self, revision: u64) -> BTreeMap<Vec<u8>, Key> {
        let mut keys = BTreeMap::new();
        for (_, key, now) in self.history.iter().take_while(|(at, ..)| *at <= revision) {
            match now {
                Some(now) => drop(keys.insert(key.clone(), now.clone())),
                None => drop(keys.remove(key)),
            }
        }
        keys
    }

    fn header(&self, writer: &mut Writer) {
        writer.message(1, |header| header.varint(3, self.revision));
    }

    /// The answer to a call of one message, or gRPC's status.
    fn answer(&mut self, path: &str, message: &[u8]) -> Result<Vec<u8>, (u32, &'static str)> {
        let mut writer = Writer::default();
        match path.rsplit('/').next().unwrap() {
            "Range" => self.range(&mut writer, message)?,
            "Put" => self.put_with_lease(&mut writer, message)?,
            "Txn" => self.transact(&mut writer, message)?,
            "LeaseGrant" => {
                let ttl = number(message, 1).max(1);
                let lease = 7_000 + self.calls.len() as u64;
                self.leases.insert(lease, (ttl, Instant::now() + Duration::from_secs(ttl)));
                self.header(&mut writer);
                writer.varint(2, lease);
                writer.varint(3, ttl);
            }
            "LeaseKeepAlive" => {
                let lease = number(message, 1);
                let ttl = self.leases.get_mut(&lease).map_or(0, |(ttl, until)| {
                    *until = Instant::now() + Duration::from_secs(*ttl);
                    *ttl
                });
                self.header(&mut writer);
                writer.varint(2, lease);
                writer.varint(3, ttl);
            }
            "LeaseRevoke" => {
                self.revoke(number(message, 1));
                self.header(&mut writer);
            }
            "Authenticate" => {
                let shown = (text(message, 1), text(message, 2));
                if self.password.is_none() {
                    return Err((9, "etcdserver: authentication is not enabled"));
                }
                if self.password.as_ref() != Some(&shown) {
                    return Err((3, "etcdserver: authentication failed, invalid user ID or password"));
                }
                self.header(&mut writer);
                writer.bytes(2, format!("token-{}", self.tokens).as_bytes());
            }
            _ => return Err((12, "unknown method")),
        }
        Ok(writer.into_bytes())
    }

    fn range(&self, writer: &mut Writer, message: &[u8]) -> Result<(), (u32, &'static str)> {
        let (key, end) = (bytes(message, 1), bytes(message, 2));
        let (limit, revision, counts_only) = (number(message, 3), number(message, 4), number(message, 9) != 0);
        if revision > 0 && revision < self.compacted {
            return Err((11, "etcdserver: mvcc: required revision has been compacted"));
        }
        let then = (revision > 0 && revision < self.revision).then(|| self.at(revision));
        let keys = then.as_ref().unwrap_or(&self.keys).iter().filter(|(name, _)| is_in(name, &key, &end));
        let keys: Vec<_> = keys.collect();
        let shown = if limit == 0 { keys.len() } else { keys.len().min(limit as usize) };
        self.header(writer);
        for (name, known) in keys[..shown].iter().filter(|_| !counts_only) {
            writer.message(2, |kv| write_key(kv, name, known));
        }
        writer.varint(3, (shown < keys.len()).into());
        writer.varint(4, keys.len() as u64);
        Ok(())
    }

    fn put_with_lease(&mut self, writer: &mut Writer, put: &[u8]) -> Result<(), (u32, &'static str)> {
        let lease = number(put, 3);
        if lease != 0 && !self.leases.contains_key(&lease) {
            return Err((5, "etcdserver: requested lease not found"));
        }
        self.put(&bytes(put, 1), &bytes(put, 2), lease);
        self.header(writer);
        Ok(())
    }

    /// A transaction that puts a key if it was made (or changed) at the revision that is asked for, and else reads it.
    fn transact(&mut self, writer: &mut Writer, message: &[u8]) -> Result<(), (u32, &'static str)> {
        let compare = bytes(message, 1);
        let key = bytes(&compare, 3);
        self.takes += usize::from(number(&compare, 2) == 1);
        let known = self.keys.get(&key);
        let holds = match number(&compare, 2) {
            1 => known.map_or(0, |known| known.created) == number(&compare, 5),
            2 => known.map_or(0, |known| known.modified) == number(&compare, 6),
            target => panic!("{target} is compared"),
        };
        if holds {
            // the answer to the whole has its own header
            self.put_with_lease(&mut Writer::default(), &bytes(&bytes(message, 2), 2))?;
        }
        self.header(writer);
        writer.varint(2, holds.into());
        if let Some(known) = self.keys.get(&key).filter(|_| !holds) {
            writer.message(3, |operation| {
                operation.message(1, |range| range.message(2, |kv| write_key(kv, &key, known)));
            });
        }
        Ok(())
    }
}

fn is_in(name: &[u8], key: &[u8], end: &[u8]) -> bool {
    if end.is_empty() { name == key } else { name >= key && name < end }
}

fn write_key(writer: &mut Writer, name: &[u8], key: &Key) {
    writer.bytes(1, name);
    writer.varint(2, key.created);
    writer.varint(3, key.modified);
    writer.bytes(5, &key.value);
    writer.varint(6, key.lease);
}

fn value(mut message: &[u8], wanted: u64) -> Option<Value<'_>> {
    while let Some((number, value)) = field(&mut message).unwrap() {
        if number == wanted {
            return Some(value);
        }
    }
    None
}

fn number(message: &[u8], wanted: u64) -> u64 {
    value(message, wanted).map_or(0, |value| if let Value::Varint(number) = value { number } else { panic!() })
}

fn bytes(message: &[u8], wanted: u64) -> Vec<u8> {
    value(message, wanted)
        .map_or_else(Vec::new, |value| if let Value::Bytes(bytes) = value { bytes.to_vec() } else { panic!() })
}

fn text(message: &[u8], wanted: u64) -> String {
    String::from_utf8(bytes(message, wanted)).unwrap()
}

async fn call(request: Request<RecvStream>, mut respond: SendResponse<Bytes>, state: Arc<Mutex<State>>) {
    let path = request.uri().path().to_owned();
    let token = request.headers().get("token").cloned();
    assert_eq!(request.headers()["content-type"], "application/grpc");
    let mut body = request.into_body();
    let mut message = BytesMut::new();
    while message.len() < 5 || message.len() < 5 + u32::from_be_bytes(message[1..5].try_into().unwrap()) as usize {
        let Some(Ok(data)) = body.data().await else { return };
        let _ = body.flow_control().release_capacity(data.len());
        message.extend_from_slice(&data);
    }
    let message = message.split_off(5).freeze();
    let (answer, watch) = {
        let mut state = state.lock().unwrap();
        state.calls.push(path.clone());
        let is_known = state.password.is_none() || token == Some(format!("token-{}", state.tokens).parse().unwrap());
        if state.is_silent {
            (None, None)
        } else if let Some(refusal) = state.refusal {
            (Some(Err(refusal)), None)
        } else if !is_known && !path.ends_with("/Authenticate") {
            let none = (3, "etcdserver: user name is empty");
            (Some(Err(if token.is_none() { none } else { state.forgotten })), None)
        } else if path.ends_with("/Watch") {
            let (created, told) = state.watch(&message);
            (Some(Ok(created)), Some(told))
        } else {
            (Some(state.answer(&path, &message)), None)
        }
    };
    let Some(answer) = answer else { return std::future::pending().await };
    let head = Response::builder().header("content-type", "application/grpc").body(()).unwrap();
    let Ok(mut stream) = respond.send_response(head, false) else { return };
    let status = match answer {
        Ok(message) => {
            let _ = stream.send_data(framed(&message), false);
            (0, "")
        }
        Err(status) => status,
    };
    if let Some(mut told) = watch {
        while let Some(message) = told.recv().await {
            if stream.send_data(framed(&message), false).is_err() {
                return;
            }
        }
    }
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from(status.0));
    trailers.insert("grpc-message", HeaderValue::from_static(status.1));
    let _ = stream.send_trailers(trailers);
}

fn framed(message: &[u8]) -> Bytes {
    let mut framed = BytesMut::new();
    framed.put_u8(0);
    framed.put_u32(message.len() as u32);
    framed.put_slice(message);
    framed.freeze()
}
