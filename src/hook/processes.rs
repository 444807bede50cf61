//! The processes of this machine, as /proc has them: those that a command has started are found by their parents and by their session.

use std::collections::BTreeSet;

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

/// A process that lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Process {
    /// Its id.
    pub id: Pid,
    /// The process that started it, or took it over when that one ended.
    pub parent: Option<Pid>,
    /// Its process group.
    pub group: Option<Pid>,
    /// Its session.
    pub session: Option<Pid>,
}

/// All processes that live; none when there is no /proc.
fn all() -> Vec<Process> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    let ids = entries.flatten().filter(|entry| entry.file_name().as_encoded_bytes()[0].is_ascii_digit());
    ids.filter_map(|entry| parse(&std::fs::read_to_string(entry.path().join("stat")).ok()?)).collect()
}

/// A process from /proc/PID/stat (proc_pid_stat(5)); `None` when it has ended and only waits for its parent to notice.
fn parse(stat: &str) -> Option<Process> {
    // the second field is the program's name in brackets, which may itself have spaces and brackets
    let (before, after) = stat.rsplit_once(')')?;
    let id = before.split(' ').next()?;
    let mut fields = after.split_ascii_whitespace();
    let state = fields.next()?;
    let mut next = || Pid::from_raw(fields.next()?.parse().ok()?);
    let (parent, group, session) = (next(), next(), next());
    let is_over = matches!(state, "Z" | "X" | "x");
    (!is_over).then_some(Process { id: Pid::from_raw(id.parse().ok()?)?, parent, group, session })
}

/// The children of this process, their children, and so on.
pub(super) fn descendants(root: Pid) -> Vec<Process> {
    descendants_among(&all(), root)
}

fn descendants_among(all: &[Process], root: Pid) -> Vec<Process> {
    let mut found: Vec<Process> = Vec::new();
    let mut parents = vec![root];
    while let Some(parent) = parents.pop() {
        let children = all.iter().filter(|process| process.parent == Some(parent) && process.id != root);
        for child in children {
            parents.push(child.id);
            found.push(*child);
        }
    }
    found
}

/// The processes of this session.
pub(super) fn of_session(session: Pid) -> Vec<Process> {
    all().into_iter().filter(|process| process.session == Some(session)).collect()
}

/// Sends a signal to these processes, and to their groups but `spared`: what a process starts in this very moment is in its group.
pub(super) fn signal(processes: &[Process], signal: Signal, spared: Option<Pid>) {
    let groups: BTreeSet<i32> = processes.iter().filter_map(|process| process.group).map(Pid::as_raw_pid).collect();
    for group in groups.into_iter().filter_map(Pid::from_raw).filter(|group| Some(*group) != spared) {
        let _ = kill_process_group(group, signal);
    }
    for process in processes {
        let _ = kill_process(process.id, signal);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pid(id: i32) -> Option<Pid> {
        Pid::from_raw(id)
    }

    #[test]
    fn a_line_of_proc_is_read_whatever_the_program_is_called() {
        let read = |stat: &str| parse(stat).map(|process| (process.id, process.parent, process.group, process.session));
        let expected = |id| Some((pid(id).unwrap(), pid(3), pid(4), pid(5)));
        assert_eq!(read("7 (sh) S 3 4 5 0 -1"), expected(7));
        assert_eq!(read("7 (a) R 1 1 1 (b) R 3 4 5 0 -1"), expected(7));
        assert_eq!(read("7 (sh) Z 3 4 5 0 -1"), None, "it has ended");
        assert_eq!(read(""), None);
        assert_eq!(read("2 (kthreadd) S 0 0 0 0").map(|(_, parent, ..)| parent), Some(None));
    }

    #[test]
    fn descendants_are_children_and_children_of_children_and_nobody_else() {
        let process = |(id, parent): (i32, i32)| Process {
            id: pid(id).unwrap(),
            parent: pid(parent),
            group: None,
            session: None,
        };
        let all: Vec<_> = [(1, 0), (2, 1), (9, 2), (4, 9), (5, 1), (6, 4), (7, 5)].into_iter().map(process).collect();
        let mut found: Vec<_> =
            descendants_among(&all, pid(2).unwrap()).iter().map(|found| found.id.as_raw_pid()).collect();
        found.sort_unstable();
        assert_eq!(found, [4, 6, 9]);
    }

    #[test]
    fn a_process_is_found_in_the_session_that_it_leads() {
        // not in the session of this process: in a container its leader may be outside, and then its id reads as 0
        let mut leader = std::process::Command::new("setsid").args(["sleep", "60"]).spawn().unwrap();
        let id = pid(leader.id().try_into().unwrap()).unwrap();
        while of_session(id).is_empty() {
            std::thread::yield_now();
        }
        let found: Vec<_> = of_session(id).iter().map(|process| process.id).collect();
        leader.kill().unwrap();
        leader.wait().unwrap();
        assert_eq!(found, [id]);
    }
}
