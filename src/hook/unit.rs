//! systemd units: systemd is asked over D-Bus to restart one, as `systemctl restart` does it, and its job is awaited (org.freedesktop.systemd1(5)).

use std::pin::Pin;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until};
use zbus::export::futures_core::Stream as _;
use zbus::zvariant::{OwnedObjectPath, OwnedValue};
use zbus::{Connection, MatchRule, Message, MessageStream, connection};

use super::{millis, seconds};
use crate::recover::attempt::ActReport;

const SYSTEMD: &str = "org.freedesktop.systemd1";
const MANAGER_PATH: &str = "/org/freedesktop/systemd1";
const MANAGER: &str = "org.freedesktop.systemd1.Manager";
const JOB: &str = "org.freedesktop.systemd1.Job";
const UNIT: &str = "org.freedesktop.systemd1.Unit";
const SERVICE: &str = "org.freedesktop.systemd1.Service";
const PROPERTIES: &str = "org.freedesktop.DBus.Properties";

/// How long systemd may take to answer, which it does before anything is restarted.
const ANSWER: Duration = Duration::from_secs(5);

/// The bus of the system, where `DBUS_SYSTEM_BUS_ADDRESS` has it or at its usual place.
pub(super) async fn system_bus() -> zbus::Result<Connection> {
    connection::Builder::system()?.method_timeout(ANSWER).build().await
}

/// Has the unit restarted by the systemd that is on this bus.
pub(super) async fn run(
    bus: impl Future<Output = zbus::Result<Connection>>,
    unit: &str,
    time_out: Duration,
    cancel: oneshot::Receiver<()>,
) -> ActReport {
    let started = Instant::now();
    let deadline = started + time_out;
    let end = async {
        tokio::select! {
            biased;
            _ = cancel => "was told to end".to_owned(),
            () = sleep_until(deadline) => format!("did not end within {}", seconds(time_out)),
        }
    };
    let error = restart(bus, unit, end).await.err().unwrap_or_default();
    let (what, took_ms) = (in_words(unit), millis(started.elapsed()));
    ActReport { what, ok: error.is_empty(), error, took_ms, ..ActReport::default() }
}

/// What is done to the unit.
pub(super) fn in_words(unit: &str) -> String {
    format!("restart of the unit {unit}")
}

/// Restarts the unit, unless `end` says before that why it is to be ended; then its job is cancelled.
async fn restart(
    bus: impl Future<Output = zbus::Result<Connection>>,
    unit: &str,
    end: impl Future<Output = String>,
) -> Result<(), String> {
    let mut end = std::pin::pin!(end);
    let bus = tokio::select! {
        biased;
        bus = bus => bus.map_err(|error| format!("the system's D-Bus can't be reached: {error}"))?,
        why = &mut end => return Err(format!("connecting to the system's D-Bus {why}")),
    };
    // whatever ends it, it is known by then whether there is a job to be cancelled
    let (job, mut removed) =
        begin(&bus, unit).await.map_err(|error| format!("systemd does not restart it: {error}"))?;
    let result = tokio::select! {
        biased;
        result = result_of(&job, &mut removed) => result?,
        why = &mut end => {
            let cancelled = bus.call_method(Some(SYSTEMD), &job, Some(JOB), "Cancel", &()).await;
            return Err(match cancelled {
                Ok(_) => format!("the restart {why} and was cancelled"),
                Err(error) => format!("the restart {why} and can't be cancelled: {error}"),
            });
        }
    };
    match result.as_str() {
        "done" => Ok(()),
        other => Err(format!("systemd's job ended as `{other}`{}", state(&bus, unit).await.unwrap_or_default())),
    }
}

/// Has the restart begun; its job, and the signals that tell of the ends of jobs. They are asked for before: a job may be over at once.
async fn begin(bus: &Connection, unit: &str) -> zbus::Result<(OwnedObjectPath, MessageStream)> {
    let rule = MatchRule::builder().msg_type(zbus::message::Type::Signal).interface(MANAGER)?.member("JobRemoved")?;
    let removed = MessageStream::for_match_rule(rule.path(MANAGER_PATH)?.build(), bus, None).await?;
    // without that, systemd sends no signals
    bus.call_method(Some(SYSTEMD), MANAGER_PATH, Some(MANAGER), "Subscribe", &()).await?;
    let asked = bus.call_method(Some(SYSTEMD), MANAGER_PATH, Some(MANAGER), "RestartUnit", &(unit, "replace")).await?;
    Ok((asked.body().deserialize()?, removed))
}

/// Waits until the job has ended: `done`, or what else systemd calls it.
async fn result_of(job: &OwnedObjectPath, removed: &mut MessageStream) -> Result<String, String> {
    while let Some(Ok(message)) = next(removed).await {
        let body = message.body();
        let Ok((_, ended, _, result)) = body.deserialize::<(u32, OwnedObjectPath, String, String)>() else { continue };
        if ended == *job {
            return Ok(result);
        }
    }
    Err("the system's D-Bus was lost before the restart had ended; it may have succeeded".to_owned())
}

async fn next(messages: &mut MessageStream) -> Option<zbus::Result<Message>> {
    std::future::poll_fn(|context| Pin::new(&mut *messages).poll_next(context)).await
}

/// How the unit stands, as the end of a sentence.
async fn state(bus: &Connection, unit: &str) -> zbus::Result<String> {
    let found = bus.call_method(Some(SYSTEMD), MANAGER_PATH, Some(MANAGER), "GetUnit", &unit).await?;
    let path: OwnedObjectPath = found.body().deserialize()?;
    let active = property(bus, &path, UNIT, "ActiveState").await?;
    let sub = property(bus, &path, UNIT, "SubState").await?;
    // units that are no services have no result
    let result = property(bus, &path, SERVICE, "Result").await.map(|result| format!(", result `{result}`"));
    Ok(format!("; the unit is {active} ({sub}{})", result.unwrap_or_default()))
}

async fn property(bus: &Connection, path: &OwnedObjectPath, interface: &str, name: &str) -> zbus::Result<String> {
    let got = bus.call_method(Some(SYSTEMD), path, Some(PROPERTIES), "Get", &(interface, name)).await?;
    Ok(String::try_from(got.body().deserialize::<OwnedValue>()?)?)
}

#[cfg(test)]
mod tests;
