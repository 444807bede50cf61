//! What is asked of a store: a script in Lua (EVAL; Redis 5 and later), so that a report is one step for all who see it.
//!
//! Of each key a store has one value: the time up to which it is used, in microseconds of the store's own clock; the rate in whose units that is; and for
//! each instance, the last one that has reported first, the demand there, and when that was told. All times in answers are relative, so that no clocks are
//! compared. A sorted set has the instances, with when they were last heard of.
//!
//! A report by another rate converts what the key has used, as a table does when its rate changes. So a changed rate locks nobody out and forgives
//! nothing, also while instances have the old one and the new one side by side.
//!
//! A store may lose what it has: it is emptied, or it evicts keys. A key in which an instance has no demand, though it reports one, is then as far ahead as that
//! instance says; and an instance that the set does not have is told so, because it has to report all of its keys.
//!
//! The store's clock may be set back: by a step, or because a replica with a slower clock has taken over. Then the last report is younger than now by as much,
//! and the key's times are moved back with it: a key is never further ahead than it was at its last report.

use std::time::Duration;

use redis::{Cmd, Value};

use super::super::connect::told;
use super::instances::Seen;
use crate::limit::{Answer, DEMAND_FADES, Report};

/// An instance that has said nothing for so long, which is some rounds, does not reach the store, or is dead.
const SILENT_AFTER: Duration = Duration::from_millis(500);
/// An instance that has said nothing for so long is counted no more.
const GONE_AFTER: Duration = Duration::from_secs(60);

const SCRIPT: &str = r"
local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2]
local id, silent, gone, fades, late = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local is_new = redis.call('ZADD', KEYS[1], now, id)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - gone)
redis.call('ZREMRANGEBYSCORE', KEYS[1], string.format('(%.0f', now), '+inf')
redis.call('PEXPIRE', KEYS[1], math.ceil(gone / 1000))
local present = redis.call('ZCOUNT', KEYS[1], now - silent, '+inf')
local answer = { present, redis.call('ZCARD', KEYS[1]) - present, is_new }
for i = 2, #KEYS do
  local used, least, is_certain = tonumber(ARGV[5 * i - 4]), tonumber(ARGV[5 * i - 3]), ARGV[5 * i - 2] == '1'
  local demand, rate = ARGV[5 * i - 1], ARGV[5 * i]
  local tat, others, kept, is_known = now - late, 0, '', false
  local known = redis.call('GET', KEYS[i])
  if known then
    local back = math.max(0, tonumber(string.match(known, '^%S+ %x+:[%d.]+:(%d+)')) - now)
    local ahead, by = string.match(known, '^(%d+)@?(%S*)')
    ahead = tonumber(ahead) - back - now
    if ahead > 0 and by ~= rate and by ~= '' then
      local interval, burst = string.match(rate, '(.+)/(.+)')
      ahead = math.min(ahead * tonumber(interval) / tonumber(string.match(by, '[%d.]+')), tonumber(burst))
    end
    tat = math.max(tat, now + ahead)
    for who, much, when in string.gmatch(known, '(%x+):([%d.]+):(%d+)') do
      when = tonumber(when) - back
      local age = math.max(0, now - when)
      if who == id then
        is_known = true
      elseif age < 5 * fades then
        others = others + tonumber(much) * math.exp(-age / fades)
        kept = kept .. string.format(' %s:%s:%.0f', who, much, when)
      end
    end
  end
  tat = tat + used
  if least > 0 and (is_certain or not is_known) then
    tat = math.max(tat, now + least)
  end
  local value = string.format('%.0f@%s %s:%s:%.0f', tat, rate, id, demand, now) .. kept
  redis.call('SET', KEYS[i], value, 'PX', string.format('%.0f', math.ceil((tat - now + 5 * fades) / 1000)))
  answer[#answer + 1] = string.format('%.0f', tat - now)
  answer[#answer + 1] = string.format('%.3f', others)
end
return answer
";

/// The set of the instances that share limits under this prefix.
pub(super) fn members(prefix: &str) -> String {
    format!("{prefix}:limits")
}

/// The name of a key in a store. The key is a hash of what the client has sent.
pub(super) fn name(prefix: &str, scope: u64, key: u64) -> String {
    format!("{prefix}:limit:{scope:016x}{key:016x}")
}

/// The command that tells a store of this instance and takes reports there, each with the name of its key. What is reported was used up to `late` ago: so much a
/// key's time may be behind the clock. Otherwise one whose burst is short would lose what it did not use between two reports.
pub(super) fn command<'a>(
    members: &str,
    id: &str,
    late: Duration,
    reports: impl ExactSizeIterator<Item = (&'a String, &'a Report)> + Clone,
) -> Cmd {
    let mut command = redis::cmd("EVAL");
    command.arg(SCRIPT).arg(1 + reports.len()).arg(members);
    reports.clone().for_each(|(name, _)| _ = command.arg(name));
    command.arg(id).arg(micros(SILENT_AFTER)).arg(micros(GONE_AFTER)).arg(micros(DEMAND_FADES)).arg(micros(late));
    for (_, report) in reports {
        command.arg(micros(report.used)).arg(micros(report.ahead)).arg(u8::from(report.is_certain));
        command.arg(format!("{:.3}", report.demand));
        // to the nanosecond: the store compares it as it is written
        let [interval, burst] =
            [report.rate.interval(), report.rate.time_of_burst()].map(|of| of.as_nanos() as f64 / 1e3);
        command.arg(format!("{interval:.3}/{burst:.3}"));
    }
    command
}

/// The command by which an instance leaves.
pub(super) fn leave(members: &str, id: &str) -> Cmd {
    let mut command = redis::cmd("ZREM");
    command.arg(members).arg(id);
    command
}

/// Which instances there are, and the answers to so many reports.
///
/// # Errors
///
/// What the store has said instead; for people.
pub(super) fn read(value: Value, reports: usize) -> Result<(Seen, Vec<Answer>), String> {
    let values = match value {
        Value::Array(values) if values.len() == 3 + 2 * reports => values,
        Value::ServerError(error) => return Err(format!("it refuses: {}", told(&error))),
        _ => return Err("it does not answer as the script does".to_owned()),
    };
    let nonsense = || "it does not answer with numbers".to_owned();
    let number = |value: &Value| match value {
        Value::Int(number) => Some(*number as f64),
        Value::BulkString(bytes) => str::from_utf8(bytes).ok()?.parse().ok(),
        _ => None,
    };
    let numbers: Option<Vec<f64>> = values.iter().map(number).collect();
    let numbers = numbers.filter(|numbers| numbers.iter().all(|number| number.is_finite()));
    let (seen, answers) = numbers.as_ref().and_then(|numbers| numbers.split_first_chunk()).ok_or_else(nonsense)?;
    let [present, silent, is_new] = seen.map(|count| count as u32);
    let answer = |pair: &[f64]| Answer { ahead: (pair[0] * 1e3) as i64, others: pair[1] };
    Ok((Seen { present, silent, is_new: is_new > 0 }, answers.chunks_exact(2).map(answer).collect()))
}

fn micros(time: Duration) -> String {
    format!("{:.1}", time.as_nanos() as f64 / 1e3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_and_nonsense_is_told() {
        let text = |text: &str| Value::BulkString(text.as_bytes().to_vec());
        let good = Value::Array(vec![Value::Int(3), Value::Int(1), Value::Int(0), text("1500"), text("2.500")]);
        let answer = Answer { ahead: 1_500_000, others: 2.5 };
        assert_eq!(read(good, 1), Ok((Seen { present: 3, silent: 1, is_new: false }, vec![answer])));
        let alone = Value::Array([1, 0, 1].map(Value::Int).to_vec());
        assert_eq!(read(alone.clone(), 0), Ok((Seen { present: 1, silent: 0, is_new: true }, Vec::new())));
        let of = |pair: [&str; 2]| Value::Array([1, 0, 0].map(Value::Int).into_iter().chain(pair.map(text)).collect());
        assert!(read(of(["5", "1"]), 1).is_ok());
        for bad in [Value::Nil, alone, of(["x", "1"]), of(["5", "NaN"])] {
            assert!(read(bad, 1).is_err());
        }
    }
}
