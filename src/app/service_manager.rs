//! Messages to the service manager, where there is one that wants them (`Type=notify` or `notify-reload` of systemd).

use sd_notify::NotifyState;

/// Clients are served, also again after a reload.
pub(super) fn ready() {
    send(&[NotifyState::Ready]);
}

/// The configuration is read again. [`ready`] has to follow, whether the reload succeeds or not.
pub(super) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => send(&[NotifyState::Reloading, now]),
        Err(error) => tracing::debug!(%error, "the monotonic clock can't be read"),
    }
}

/// The process has begun to stop.
pub(super) fn stopping() {
    send(&[NotifyState::Stopping]);
}

/// Another process is the service from now on, and is ready.
pub(super) fn replaced_by(pid: u32) {
    send(&[NotifyState::MainPid(pid), NotifyState::Ready]);
}

/// Sends the watchdog's keep-alive messages for ever. Where the service manager wants none, this ends at once.
pub(super) async fn live() {
    let Some(limit) = sd_notify::watchdog_enabled() else { return };
    // sd_watchdog_enabled(3) recommends half of the time
    let mut ticks = tokio::time::interval(limit / 2);
    loop {
        ticks.tick().await;
        send(&[NotifyState::Watchdog]);
    }
}

fn send(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "the service manager can't be told");
    }
}
