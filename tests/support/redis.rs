//! A store that speaks as Redis does (RESP2), knows the commands that sessions need, and misbehaves when the test says so.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// How it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// As it should.
    Well,
    /// So long after each command.
    Slow(Duration),
    /// Not at all; connections stay open.
    Silent,
    /// It closes each connection.
    Gone,
    /// It takes nothing in, for want of memory.
    Full,
    /// With a number in place of each value.
    Nonsense,
    /// When it is anything else again.
    Held,
    /// It reads what it holds from its disk, and does nothing else until it has.
    Loading,
    /// It is a replica.
    ReadOnly,
    /// It is one of a cluster, and each key is elsewhere.
    Moved,
    /// It takes in every other session only.
    Picky,
    /// With bytes that are no answer.
    Garbage,
    /// With the first half of each answer, after which it closes.
    Half,
    /// With values that have no end.
    Endless,
}

/// A store, until the test's process ends.
#[derive(Clone)]
pub struct Redis {
    url: String,
    state: Arc<Mutex<State>>,
}

/// Closes a connection.
type Closer = Box<dyn Fn() + Send>;

fn closer(close: impl Fn() + Send + 'static) -> Closer {
    Box::new(close)
}

/// What a key of a limit has used.
struct Limit {
    until: Instant,
    /// In units of this rate: the interval, and the time of the whole burst.
    rate: [Duration; 2],
    /// By instance.
    demands: HashMap<String, f64>,
}

struct State {
    manner: Manner,
    /// By key: the value, and the seconds that it is kept.
    entries: HashMap<String, (String, u64)>,
    /// What was asked, in upper case where it is a command's name.
    commands: Vec<Vec<String>>,
    connections: usize,
    open: Vec<Closer>,
    /// What `AUTH` has to say.
    password: Option<String>,
    /// How many values it has taken in or not.
    sets: usize,
    /// By name, of limits.
    limits: HashMap<String, Limit>,
    /// Instances that share limits, with how often they have reported.
    members: HashMap<String, usize>,
}

impl Redis {
    /// One without anything in it.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("redis://{}", listener.local_addr().unwrap());
        Self::run(url, move || {
            let (stream, _) = listener.accept().unwrap();
            let again = stream.try_clone().unwrap();
            (stream, closer(move || drop(again.shutdown(Shutdown::Both))))
        })
    }

    /// The same over TLS.
    pub fn start_tls(config: Arc<ServerConfig>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("rediss://localhost:{}", listener.local_addr().unwrap().port());
        Self::run(url, move || {
            let (stream, _) = listener.accept().unwrap();
            let again = stream.try_clone().unwrap();
            let tls = ServerConnection::new(Arc::clone(&config)).unwrap();
            (StreamOwned::new(tls, stream), closer(move || drop(again.shutdown(Shutdown::Both))))
        })
    }

    /// The same over a Unix socket.
    pub fn start_unix(path: &Path) -> Self {
        let listener = UnixListener::bind(path).unwrap();
        Self::run(format!("unix://{}", path.display()), move || {
            let (stream, _) = listener.accept().unwrap();
            let again = stream.try_clone().unwrap();
            (stream, closer(move || drop(again.shutdown(Shutdown::Both))))
        })
    }

    fn run<S: Read + Write + Send + 'static>(url: String, accept: impl Fn() -> (S, Closer) + Send + 'static) -> Self {
        let state = State {
            manner: Manner::Well,
            entries: HashMap::new(),
            commands: Vec::new(),
            connections: 0,
            open: Vec::new(),
            password: None,
            sets: 0,
            limits: HashMap::new(),
            members: HashMap::new(),
        };
        let redis = Self { url, state: Arc::new(Mutex::new(state)) };
        let accepting = redis.clone();
        thread::spawn(move || {
            loop {
                let (stream, close) = accept();
                {
                    let mut state = accepting.state();
                    if state.manner == Manner::Gone {
                        continue;
                    }
                    state.connections += 1;
                    state.open.push(close);
                }
                let serving = accepting.clone();
                thread::spawn(move || serving.serve(stream));
            }
        });
        redis
    }

    /// Its URL.
    pub fn url(&self) -> String {
        self.url.clone()
    }

    /// Whoever does not say this password is refused from now on.
    pub fn wants(&self, password: &str) {
        self.state().password = Some(password.to_owned());
    }

    /// It answers like this from now on.
    pub fn is(&self, manner: Manner) {
        let mut state = self.state();
        state.manner = manner;
        if manner == Manner::Gone {
            state.open.drain(..).for_each(|close| close());
        }
    }

    /// What it holds: keys with their values and the seconds that they are kept.
    pub fn entries(&self) -> HashMap<String, (String, u64)> {
        self.state().entries.clone()
    }

    /// It forgets everything.
    pub fn forgets_all(&self) {
        let mut state = self.state();
        state.entries.clear();
        state.limits.clear();
        state.members.clear();
    }

    /// All that it holds is kept for so many seconds only.
    pub fn ages_to(&self, seconds: u64) {
        self.state().entries.values_mut().for_each(|(_, left)| *left = seconds);
    }

    /// How often it was asked this.
    pub fn asked(&self, command: &str) -> usize {
        self.state().commands.iter().filter(|asked| asked[0] == command).count()
    }

    /// Everything that it was asked.
    pub fn commands(&self) -> Vec<Vec<String>> {
        self.state().commands.clone()
    }

    /// The names of what it holds of limits.
    pub fn limits(&self) -> Vec<String> {
        self.state().limits.keys().cloned().collect()
    }

    /// The instances that share limits.
    pub fn members(&self) -> usize {
        self.state().members.len()
    }

    /// How often each of them has reported.
    pub fn rounds(&self) -> HashMap<String, usize> {
        self.state().members.clone()
    }

    /// How many of them have reported something of a limit's key.
    pub fn reporters(&self) -> usize {
        self.state().limits.values().map(|limit| limit.demands.len()).max().unwrap_or(0)
    }

    /// Connections so far.
    pub fn connections(&self) -> usize {
        self.state().connections
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn serve(&self, stream: impl Read + Write) {
        let mut stream = BufReader::new(stream);
        let mut may = false;
        while let Some(mut command) = read(&mut stream) {
            command[0].make_ascii_uppercase();
            let manner = self.state().manner;
            if let Manner::Slow(pause) = manner {
                thread::sleep(pause);
            }
            while self.state().manner == Manner::Held {
                thread::sleep(Duration::from_millis(1));
            }
            let mut answer = self.state().answer(command, &mut may);
            match manner {
                Manner::Silent => continue,
                Manner::Garbage => answer = "\u{1}?what\r\n\r\n$-7\r\n".to_owned(),
                Manner::Half => answer.truncate(answer.len() / 2),
                Manner::Endless if answer.starts_with('$') => return endless(stream.get_mut()),
                _ => {}
            }
            let written = stream.get_mut().write_all(answer.as_bytes()).and_then(|()| stream.get_mut().flush());
            if written.is_err() || manner == Manner::Half {
                break;
            }
        }
    }
}

/// A value that goes on until nobody reads it.
fn endless(to: &mut impl Write) {
    let _ = to.write_all(b"$536870912\r\n");
    while to.write_all(&[b'x'; 64 << 10]).is_ok() {}
}

impl State {
    fn answer(&mut self, command: Vec<String>, may: &mut bool) -> String {
        let words: Vec<&str> = command.iter().map(String::as_str).collect();
        *may |= self.password.is_none();
        self.sets += usize::from(words[0] == "SET");
        let answer = match words[..] {
            ["AUTH", .., password] if self.password.as_deref().is_some_and(|wanted| wanted != password) => {
                "-WRONGPASS invalid username-password pair or user is disabled.\r\n".to_owned()
            }
            ["AUTH", ..] => {
                *may = true;
                "+OK\r\n".to_owned()
            }
            _ if !*may => "-NOAUTH Authentication required.\r\n".to_owned(),
            _ if self.manner == Manner::Loading => "-LOADING Redis is loading the dataset in memory\r\n".to_owned(),
            ["SET" | "GET" | "PTTL" | "EXPIRE", ..] if self.manner == Manner::Moved => {
                "-MOVED 3999 127.0.0.1:6381\r\n".to_owned()
            }
            ["SET" | "EXPIRE", ..] if self.manner == Manner::ReadOnly => {
                "-READONLY You can't write against a read only replica.\r\n".to_owned()
            }
            ["SET", ..] if self.manner == Manner::Picky && self.sets.is_multiple_of(2) => {
                "-NOPERM this user has no permissions to access one of the keys\r\n".to_owned()
            }
            ["PING"] => "+PONG\r\n".to_owned(),
            ["SELECT", _] => "+OK\r\n".to_owned(),
            ["SET", ..] if self.manner == Manner::Full => {
                "-OOM command not allowed when used memory > 'maxmemory'.\r\n".to_owned()
            }
            ["SET", key, _, "EX", _, "NX"] if self.entries.contains_key(key) => "$-1\r\n".to_owned(),
            ["SET", key, value, "EX", seconds, ..] => {
                self.entries.insert(key.to_owned(), (value.to_owned(), seconds.parse().unwrap()));
                "+OK\r\n".to_owned()
            }
            ["GET", _] if self.manner == Manner::Nonsense => ":7\r\n".to_owned(),
            ["GET", key] => match self.entries.get(key) {
                Some((value, _)) => format!("${}\r\n{value}\r\n", value.len()),
                None => "$-1\r\n".to_owned(),
            },
            ["EVAL", ..] if self.manner == Manner::Full => {
                "-OOM command not allowed when used memory > 'maxmemory'.\r\n".to_owned()
            }
            ["EVAL", ..] if self.manner == Manner::Nonsense => ":7\r\n".to_owned(),
            ["EVAL", _, keys, ref rest @ ..] => self.take_reports(keys.parse().unwrap(), rest),
            ["ZREM", _, id] => format!(":{}\r\n", usize::from(self.members.remove(id).is_some())),
            ["PTTL", key] => match self.entries.get(key) {
                Some((_, seconds)) => format!(":{}\r\n", seconds * 1000),
                None => ":-2\r\n".to_owned(),
            },
            ["EXPIRE", key, seconds] => {
                let entry = self.entries.get_mut(key);
                let there = entry.map(|(_, left)| *left = seconds.parse().unwrap()).is_some();
                format!(":{}\r\n", u8::from(there))
            }
            _ => format!("-ERR unknown command {words:?}\r\n"),
        };
        self.commands.push(command);
        answer
    }
}

impl State {
    /// What the script for rate limits does, without that demands fade.
    fn take_reports(&mut self, keys: usize, rest: &[&str]) -> String {
        let (names, rest) = rest.split_at(keys);
        let (id, now) = (rest[0], Instant::now());
        let is_new = u8::from(!self.members.contains_key(id));
        *self.members.entry(id.to_owned()).or_default() += 1;
        let micros = |text: &str| Duration::from_nanos((text.parse::<f64>().unwrap() * 1e3) as u64);
        let mut answer = format!("*{}\r\n:{}\r\n:0\r\n:{is_new}\r\n", 1 + 2 * keys, self.members.len());
        let late = now - micros(rest[4]);
        for (name, report) in names[1..].iter().zip(rest[5..].chunks(5)) {
            let [used, ahead, is_certain, demand, rate] = *report else { panic!("{report:?}") };
            let (interval, burst) = rate.split_once('/').unwrap();
            let rate = [micros(interval), micros(burst)];
            let new = || Limit { until: late, rate, demands: HashMap::new() };
            let Limit { until, rate: before, demands } = self.limits.entry((*name).to_owned()).or_insert_with(new);
            if *before != rate {
                let ahead = until.duration_since(now).mul_f64(rate[0].as_secs_f64() / before[0].as_secs_f64());
                (*until, *before) = (now + ahead.min(rate[1]), rate);
            }
            *until = (*until).max(late) + micros(used);
            let is_known = demands.insert(id.to_owned(), demand.parse().unwrap()).is_some();
            if ahead != "0.0" && (is_certain == "1" || !is_known) {
                *until = (*until).max(now + micros(ahead));
            }
            let others: f64 = demands.iter().filter(|(who, _)| *who != id).map(|(_, demand)| demand).sum();
            for text in [
                (until.duration_since(now).as_micros() as i64 - now.duration_since(*until).as_micros() as i64)
                    .to_string(),
                format!("{others:.3}"),
            ] {
                answer += &format!("${}\r\n{text}\r\n", text.len());
            }
        }
        answer
    }
}

/// A command: an array of strings.
fn read(from: &mut impl BufRead) -> Option<Vec<String>> {
    let words = length(from, '*')?;
    (0..words)
        .map(|_| {
            let mut word = vec![0; length(from, '$')? + 2];
            from.read_exact(&mut word).ok()?;
            word.truncate(word.len() - 2);
            String::from_utf8(word).ok()
        })
        .collect()
}

fn length(from: &mut impl BufRead, sign: char) -> Option<usize> {
    let mut line = String::new();
    from.read_line(&mut line).ok()?;
    line.strip_prefix(sign)?.trim_end().parse().ok()
}
