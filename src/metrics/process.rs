//! What the kernel knows about this process, read from `/proc/self` at each scrape. Left out where there is no `/proc`.

use super::names::{self, Metric};

/// Clock ticks a second in `/proc/self/stat`: what Linux shows to user space on every architecture that it has today.
const TICKS: f64 = 100.0;

/// The metrics that can be read here, with their values.
pub(super) fn read() -> impl Iterator<Item = (&'static Metric, f64)> {
    let sources: [(&Metric, Option<f64>); 4] = [
        (&names::OPEN_FDS, open_fds()),
        (&names::MAX_FDS, max_fds()),
        (&names::RESIDENT_MEMORY, resident_memory()),
        (&names::CPU_SECONDS, cpu_seconds()),
    ];
    sources.into_iter().filter_map(|(metric, value)| Some((metric, value?)))
}

fn open_fds() -> Option<f64> {
    // one of the descriptors is that of the directory which is read here
    Some(std::fs::read_dir("/proc/self/fd").ok()?.count().saturating_sub(1) as f64)
}

fn max_fds() -> Option<f64> {
    let limits = std::fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

fn resident_memory() -> Option<f64> {
    // this file has kilobytes; the others have pages, whose size would have to be asked for
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.split_whitespace().next()?.parse::<f64>().ok()? * 1024.0)
}

fn cpu_seconds() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // the second field is a name in parentheses which may hold anything, so count from behind it
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let (user, system): (f64, f64) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    Some((user + system) / TICKS)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn linux_tells_all_four() {
        assert_eq!(read().count(), 4);
        let held: Vec<_> = (0..64).map(|_| std::fs::File::open("/dev/null").unwrap()).collect();
        assert!(open_fds() >= Some(3.0 + held.len() as f64));
        assert!(max_fds() >= open_fds());
        assert!(resident_memory() > Some(100_000.0), "{:?}", resident_memory());
        assert!(cpu_seconds() < Some(100_000.0));
    }
}
