//! Backends that a command can repair: each is as a file in the fleet's folder says.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::support::{Conn, OK, Origin, Scratch};
use crate::wait_until;

/// A command that notes that it ran, and for what.
pub const NOTE: &str = "echo $EVENKEEL_STRATEGY $EVENKEEL_BACKEND >> $DIR/ran";

/// A command that notes that it ran, and repairs the backend.
pub const REPAIR: &str = "echo $EVENKEEL_STRATEGY $EVENKEEL_BACKEND >> $DIR/ran; rm -f $DIR/state.$EVENKEEL_BACKEND";

/// A command that says that it has begun, waits until the test lets it [go](Fleet::let_go), and repairs the backend.
pub const REPAIR_WHEN_TOLD: &str = "echo $$ > $DIR/pid.new; mv $DIR/pid.new $DIR/pid; \
    while [ ! -e $DIR/go ]; do sleep 0.05; done; rm -f $DIR/state.$EVENKEEL_BACKEND";

const FAILED: &str = "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n";

/// The backends of a service, with a folder for them and for the commands that repair them.
pub struct Fleet {
    pub dir: Scratch,
    backends: Vec<(&'static str, Origin)>,
}

impl Fleet {
    /// All of them well.
    pub fn of(ids: &[&'static str]) -> Self {
        let dir = Scratch::new();
        let backends = ids.iter().map(|id| (*id, backend(dir.path().join(format!("state.{id}"))))).collect();
        Self { dir, backends }
    }

    /// From now on the backend resets whoever comes, checks too.
    pub fn kill(&self, id: &str) {
        self.dir.file(&format!("state.{id}"), "dead");
    }

    /// From now on the backend is well for its checks, and fails at every request.
    pub fn sicken(&self, id: &str) {
        self.dir.file(&format!("state.{id}"), "sick");
    }

    /// The backend is well again without anybody's help.
    pub fn revive(&self, id: &str) {
        fs::remove_file(self.path(&format!("state.{id}"))).unwrap();
    }

    /// Lets [`REPAIR_WHEN_TOLD`] go on.
    pub fn let_go(&self) {
        self.dir.file("go", "");
    }

    /// Lets the requests for `/slow` end.
    pub fn finish(&self) {
        self.dir.file("finish", "");
    }

    /// A file in its folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// What the commands have noted.
    pub fn ran(&self) -> Vec<String> {
        fs::read_to_string(self.path("ran")).unwrap_or_default().lines().map(str::to_owned).collect()
    }

    /// The process id that a command has written, if it has.
    pub fn pid(&self, name: &str) -> Option<u32> {
        fs::read_to_string(self.path(name)).ok()?.trim().parse().ok()
    }

    /// How many requests of clients a backend was sent.
    pub fn work_of(&self, id: &str) -> usize {
        self.origin(id).targets().iter().filter(|target| *target != "/health").count()
    }

    /// The backend with this id.
    pub fn origin(&self, id: &str) -> &Origin {
        &self.backends.iter().find(|(known, _)| *known == id).unwrap().1
    }

    /// A service with all backends, these keys and sections, and quick checks.
    pub fn config(&self, sections: &str) -> String {
        self.config_of(&self.backends.iter().map(|(id, _)| *id).collect::<Vec<_>>(), sections)
    }

    /// The same with these backends. One whose id begins with `backup` is one.
    pub fn config_of(&self, ids: &[&str], sections: &str) -> String {
        let entry = |id: &&str| {
            let (address, backup) = (self.origin(id).address(), id.starts_with("backup"));
            format!("[[service.api.backend]]\nid = \"{id}\"\naddress = \"{address}\"\nbackup = {backup}\n")
        };
        let backends: String = ids.iter().map(entry).collect();
        service("balance = \"round_robin\"", &(backends + sections))
    }

    /// The same with the backends that `backends.json` in the fleet's folder [names](Self::list).
    pub fn discovering(&self, sections: &str) -> String {
        service(&format!("discover = {{ file = {:?} }}", self.path("backends.json")), sections)
    }

    /// Writes a file that names these backends, for discovery.
    pub fn list(&self, file: &str, ids: &[&str]) {
        let entry = |id: &&str| json!({ "id": id, "address": self.origin(id).address() });
        let entries: Vec<_> = ids.iter().map(entry).collect();
        self.dir.file(file, serde_json::to_string(&entries).unwrap());
    }

    /// A strategy that runs this script of the shell, which finds the fleet's folder in `$DIR` and the backend's id in `$1`.
    pub fn strategy(&self, keys: &str, script: &str) -> String {
        let script = serde_json::to_string(script).unwrap();
        format!(
            "[[service.api.recover]]\n{keys}\ndelay = \"50ms\"\nrun = [\"/bin/sh\", \"-c\", {script}, \"hook\", \"${{backend}}\"]\n\
             environment = {{ DIR = {:?} }}\n",
            self.dir.path()
        )
    }
}

/// Checks that find a dead backend soon.
const CHECKS: &str = "[service.api.health]\npath = \"/health\"\ninterval = \"150ms\"\nfast_interval = \"100ms\"\nfall = 2\n\
    rise = 1\n";

/// No pause after an attempt that a test would notice.
pub const BRIEF: &str = "[service.api.recovery]\ncool_down = \"100ms\"\n";

/// A listener, and its service `api` with these keys and sections and quick checks.
fn service(keys: &str, sections: &str) -> String {
    format!(
        "[[listener]]\nname = \"web\"\nbind = \"127.0.0.1:{{port}}\"\nservice = \"api\"\n\
         [service.api]\n{keys}\n{CHECKS}{sections}"
    )
}

fn backend(state: PathBuf) -> Origin {
    Origin::script(move |conn: &mut Conn| {
        while let Ok(request) = conn.request() {
            let answer = match (request.target(), state_in(&state).as_str()) {
                ("/slow", _) => {
                    wait_until("it may end", || state.with_file_name("finish").exists());
                    OK
                }
                (_, "dead") => return conn.reset(),
                ("/health", _) | (_, "") => OK,
                (_, _sick) => FAILED,
            };
            if !conn.send(answer) {
                return;
            }
        }
    })
}

fn state_in(file: &Path) -> String {
    fs::read_to_string(file).unwrap_or_default().trim_end().to_owned()
}

/// Whether a process lives; one that only waits for its parent to notice its end does not.
pub fn lives(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, fields)| !fields.starts_with(['Z', 'X']))
}
