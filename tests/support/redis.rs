//! A store that speaks as Redis does (RESP2), knows the commands that sessions need, and misbehaves when the test says so.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

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
}

/// A store, until the test's process ends.
#[derive(Clone)]
pub struct Redis {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

struct State {
    manner: Manner,
    /// By key: the value, and the seconds that it is kept.
    entries: HashMap<String, (String, u64)>,
    /// What was asked, in upper case where it is a command's name.
    commands: Vec<Vec<String>>,
    connections: usize,
    open: Vec<TcpStream>,
}

impl Redis {
    /// One without anything in it.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = State {
            manner: Manner::Well,
            entries: HashMap::new(),
            commands: Vec::new(),
            connections: 0,
            open: Vec::new(),
        };
        let redis = Self { address, state: Arc::new(Mutex::new(state)) };
        let accepting = redis.clone();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                {
                    let mut state = accepting.state();
                    if state.manner == Manner::Gone {
                        continue;
                    }
                    state.connections += 1;
                    state.open.push(stream.try_clone().unwrap());
                }
                let serving = accepting.clone();
                thread::spawn(move || serving.serve(stream));
            }
        });
        redis
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("redis://{}", self.address)
    }

    /// It answers like this from now on.
    pub fn is(&self, manner: Manner) {
        let mut state = self.state();
        state.manner = manner;
        if manner == Manner::Gone {
            state.open.drain(..).for_each(|stream| drop(stream.shutdown(std::net::Shutdown::Both)));
        }
    }

    /// What it holds: keys with their values and the seconds that they are kept.
    pub fn entries(&self) -> HashMap<String, (String, u64)> {
        self.state().entries.clone()
    }

    /// It forgets everything.
    pub fn forgets_all(&self) {
        self.state().entries.clear();
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

    /// Connections so far.
    pub fn connections(&self) -> usize {
        self.state().connections
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn serve(&self, stream: TcpStream) {
        let mut writing = stream.try_clone().unwrap();
        let mut reading = BufReader::new(stream);
        while let Some(mut command) = read(&mut reading) {
            command[0].make_ascii_uppercase();
            let manner = self.state().manner;
            if let Manner::Slow(pause) = manner {
                thread::sleep(pause);
            }
            let answer = self.state().answer(command);
            if manner == Manner::Silent {
                continue;
            }
            if writing.write_all(answer.as_bytes()).is_err() {
                break;
            }
        }
    }
}

impl State {
    fn answer(&mut self, command: Vec<String>) -> String {
        let words: Vec<&str> = command.iter().map(String::as_str).collect();
        let answer = match words[..] {
            ["PING"] => "+PONG\r\n".to_owned(),
            ["AUTH", ..] | ["SELECT", _] => "+OK\r\n".to_owned(),
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

/// A command: an array of strings.
fn read(from: &mut BufReader<TcpStream>) -> Option<Vec<String>> {
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

fn length(from: &mut BufReader<TcpStream>, sign: char) -> Option<usize> {
    let mut line = String::new();
    from.read_line(&mut line).ok()?;
    line.strip_prefix(sign)?.trim_end().parse().ok()
}
