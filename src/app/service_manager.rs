//! What the service manager is told, when there is one that wants to know (`Type=notify` or `notify-reload` of systemd).

use sd_notify::NotifyState;

/// Clients are served, also again after a reload.
pub(super) fn ready() {
    send(&[NotifyState::Ready]);
}

/// The configuration is read again; [`ready`] follows, whatever comes of it.
pub(super) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => send(&[NotifyState::Reloading, now]),
        Err(error) => tracing::debug!(%error, "the monotonic clock can't be read"),
    }
}

/// The end begins.
pub(super) fn stopping() {
    send(&[NotifyState::Stopping]);
}

/// Another process is the service from now on, and is ready.
pub(super) fn replaced_by(pid: u32) {
    send(&[NotifyState::MainPid(pid), NotifyState::Ready]);
}

/// Says that we live as often as the service manager wants to hear it; for ever. Where it does not, this ends at once.
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
