//! What is sent to etcd and what comes back. The numbers of fields are those of `rpc.proto` and `kv.proto` (etcd 3.4 and later).

use crate::protobuf::{self, Malformed, Value, Writer};

/// `Compare.CompareTarget.CREATE`
const CREATE: u64 = 1;
/// `Compare.CompareTarget.MOD`
const MOD: u64 = 2;

/// A key with its value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyValue {
    /// The key.
    pub key: Vec<u8>,
    /// The value.
    pub value: Vec<u8>,
    /// The revision at which the key was made. All revisions of a cluster are one row of numbers that only grows.
    pub create_revision: i64,
    /// The revision at which it got this value.
    pub mod_revision: i64,
    /// The lease with which the key goes; 0 = none.
    pub lease: i64,
}

/// A change of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// The key has this value now.
    Put(KeyValue),
    /// The key is gone since this revision: somebody has deleted it, or its lease has run out.
    Deleted(Vec<u8>, i64),
}

/// A lease as etcd has granted or prolonged it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    /// Its id.
    pub id: i64,
    /// Seconds that it lasts from now on; 0 = there is no such lease.
    pub ttl: i64,
}

/// What came of the wish to replace a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Replaced {
    /// It has the new value since this revision.
    Done(i64),
    /// It had changed before, and is as it was: this; `None` = it is not there.
    Changed(Option<KeyValue>),
}

/// What came of the wish to have a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// Who has it: whoever made it, which may be us.
    pub holder: Option<KeyValue>,
    /// The revision at which that was so.
    pub revision: i64,
}

/// What is in a range of keys, or the first of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// The keys, in their order.
    pub keys: Vec<KeyValue>,
    /// How many keys the range has, with those that are not in the page.
    pub count: usize,
    /// Whether there are more behind the last one.
    pub has_more: bool,
    /// The newest revision of the whole when etcd answered.
    pub revision: i64,
}

/// A message of a watch.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct WatchMessage {
    pub revision: i64,
    pub canceled: bool,
    /// Why it was canceled, in etcd's words.
    pub reason: String,
    /// The revisions before this one are gone; 0 = that is not why.
    pub compacted: i64,
    pub changes: Vec<Change>,
}

/// The first key behind all those that begin with this prefix, as etcd wants the end of a range; `\0` = there is none.
pub fn prefix_end(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < 0xff {
            end.push(last + 1);
            return end;
        }
    }
    vec![0]
}

/// `RangeRequest`; an empty `end` = the one key, a limit of 0 = all keys, a revision of 0 = the newest one.
pub(super) fn range(key: &[u8], end: &[u8], limit: u64, revision: i64) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.bytes(1, key);
    writer.bytes(2, end);
    writer.varint(3, limit);
    writer.varint(4, revision.cast_unsigned());
    writer.into_bytes()
}

/// `RangeRequest` for the number of keys only.
pub(super) fn count(key: &[u8], end: &[u8]) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.bytes(1, key);
    writer.bytes(2, end);
    writer.varint(9, 1);
    writer.into_bytes()
}

/// `TxnRequest`: the key is made with this value and lease where there is none; else it is read.
pub(super) fn take(key: &[u8], value: &[u8], lease: i64) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.message(1, |compare| {
        compare.varint(2, CREATE);
        compare.bytes(3, key);
        compare.varint_of_kind(5, 0);
    });
    writer.message(2, |then| then.message(2, |put| write_put(put, key, value, lease)));
    writer.message(3, |otherwise| otherwise.message(1, |range| range.bytes(1, key)));
    writer.into_bytes()
}

/// `TxnRequest`: the key gets this value and lease (0 = none) if it was changed last at this revision (0 = it is not there); else it is read.
pub(super) fn replace(key: &[u8], value: &[u8], lease: i64, changed_at: i64) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.message(1, |compare| {
        compare.varint(2, MOD);
        compare.bytes(3, key);
        compare.varint_of_kind(6, changed_at.cast_unsigned());
    });
    writer.message(2, |then| then.message(2, |put| write_put(put, key, value, lease)));
    writer.message(3, |otherwise| otherwise.message(1, |range| range.bytes(1, key)));
    writer.into_bytes()
}

/// `PutRequest`: the key gets this value and lease, whatever it had before.
pub(super) fn put(key: &[u8], value: &[u8], lease: i64) -> Vec<u8> {
    let mut writer = Writer::default();
    write_put(&mut writer, key, value, lease);
    writer.into_bytes()
}

fn write_put(put: &mut Writer, key: &[u8], value: &[u8], lease: i64) {
    put.bytes(1, key);
    put.bytes(2, value);
    put.varint(3, lease.cast_unsigned());
}

/// `LeaseGrantRequest`
pub(super) fn grant(ttl: u64) -> Vec<u8> {
    number(ttl)
}

/// `LeaseKeepAliveRequest` and `LeaseRevokeRequest`
pub(super) fn of_lease(id: i64) -> Vec<u8> {
    number(id.cast_unsigned())
}

fn number(value: u64) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.varint(1, value);
    writer.into_bytes()
}

/// `AuthenticateRequest`
pub(super) fn authenticate(user: &str, password: &str) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.bytes(1, user.as_bytes());
    writer.bytes(2, password.as_bytes());
    writer.into_bytes()
}

/// `WatchRequest`: all that happens to these keys from this revision on.
pub(super) fn watch(key: &[u8], end: &[u8], from: i64) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.message(1, |create| {
        create.bytes(1, key);
        create.bytes(2, end);
        create.varint(3, from.cast_unsigned());
        // what is too long for one message comes in several
        create.varint(8, 1);
    });
    writer.into_bytes()
}

/// `RangeResponse`
pub(super) fn page(response: &[u8]) -> Result<Page, Malformed> {
    let mut page = Page::default();
    each(response, |field, value| {
        match (field, value) {
            (1, Value::Bytes(header)) => page.revision = revision_of(header)?,
            (2, Value::Bytes(key)) => page.keys.push(key_value(key)?),
            (3, Value::Varint(has_more)) => page.has_more = has_more != 0,
            (4, Value::Varint(count)) => page.count = usize::try_from(count).map_err(|_| Malformed)?,
            _ => {}
        }
        Ok(())
    })?;
    Ok(page)
}

/// `TxnResponse` to [`take`]. Of a key that was made now, the revision is that of the transaction.
pub(super) fn taken(response: &[u8], made: KeyValue) -> Result<Taken, Malformed> {
    let (succeeded, revision, found) = transaction(response)?;
    let holder =
        if succeeded { Some(KeyValue { create_revision: revision, mod_revision: revision, ..made }) } else { found };
    Ok(Taken { holder, revision })
}

/// `TxnResponse` to [`replace`]
pub(super) fn replaced(response: &[u8]) -> Result<Replaced, Malformed> {
    let (succeeded, revision, found) = transaction(response)?;
    Ok(if succeeded { Replaced::Done(revision) } else { Replaced::Changed(found) })
}

/// Whether what was compared was equal, the revision of the whole, and the key that was read instead.
fn transaction(response: &[u8]) -> Result<(bool, i64, Option<KeyValue>), Malformed> {
    let (mut succeeded, mut revision, mut found) = (false, 0, None);
    each(response, |field, value| {
        match (field, value) {
            (1, Value::Bytes(header)) => revision = revision_of(header)?,
            (2, Value::Varint(is)) => succeeded = is != 0,
            (3, Value::Bytes(operation)) => each(operation, |field, value| {
                if let (1, Value::Bytes(range)) = (field, value) {
                    found = page(range)?.keys.pop();
                }
                Ok(())
            })?,
            _ => {}
        }
        Ok(())
    })?;
    Ok((succeeded, revision, found))
}

/// `LeaseGrantResponse` and `LeaseKeepAliveResponse`
pub(super) fn lease(response: &[u8]) -> Result<Lease, Malformed> {
    let mut lease = Lease { id: 0, ttl: 0 };
    each(response, |field, value| {
        match (field, value) {
            (2, Value::Varint(id)) => lease.id = id.cast_signed(),
            (3, Value::Varint(ttl)) => lease.ttl = ttl.cast_signed(),
            _ => {}
        }
        Ok(())
    })?;
    Ok(lease)
}

/// `AuthenticateResponse`: the token.
pub(super) fn token(response: &[u8]) -> Result<Vec<u8>, Malformed> {
    let mut token = Vec::new();
    each(response, |field, value| {
        if let (2, Value::Bytes(text)) = (field, value) {
            token = text.to_vec();
        }
        Ok(())
    })?;
    Ok(token)
}

/// `WatchResponse`
pub(super) fn watched(response: &[u8]) -> Result<WatchMessage, Malformed> {
    let mut message = WatchMessage::default();
    each(response, |field, value| {
        match (field, value) {
            (1, Value::Bytes(header)) => message.revision = revision_of(header)?,
            (4, Value::Varint(is)) => message.canceled = is != 0,
            (5, Value::Varint(revision)) => message.compacted = revision.cast_signed(),
            (6, Value::Bytes(reason)) => message.reason = String::from_utf8_lossy(reason).into_owned(),
            (11, Value::Bytes(event)) => message.changes.push(change(event)?),
            _ => {}
        }
        Ok(())
    })?;
    Ok(message)
}

fn change(event: &[u8]) -> Result<Change, Malformed> {
    let (mut is_deleted, mut key) = (false, KeyValue::default());
    each(event, |field, value| {
        match (field, value) {
            (1, Value::Varint(kind)) => is_deleted = kind != 0,
            (2, Value::Bytes(kv)) => key = key_value(kv)?,
            _ => {}
        }
        Ok(())
    })?;
    Ok(if is_deleted { Change::Deleted(key.key, key.mod_revision) } else { Change::Put(key) })
}

fn key_value(message: &[u8]) -> Result<KeyValue, Malformed> {
    let mut key = KeyValue::default();
    each(message, |field, value| {
        match (field, value) {
            (1, Value::Bytes(name)) => key.key = name.to_vec(),
            (2, Value::Varint(revision)) => key.create_revision = revision.cast_signed(),
            (3, Value::Varint(revision)) => key.mod_revision = revision.cast_signed(),
            (5, Value::Bytes(value)) => key.value = value.to_vec(),
            (6, Value::Varint(lease)) => key.lease = lease.cast_signed(),
            _ => {}
        }
        Ok(())
    })?;
    Ok(key)
}

/// `ResponseHeader.revision`
fn revision_of(header: &[u8]) -> Result<i64, Malformed> {
    let mut number = 0;
    each(header, |field, value| {
        if let (3, Value::Varint(value)) = (field, value) {
            number = value.cast_signed();
        }
        Ok(())
    })?;
    Ok(number)
}

fn each<'a>(
    mut message: &'a [u8],
    mut take: impl FnMut(u64, Value<'a>) -> Result<(), Malformed>,
) -> Result<(), Malformed> {
    while let Some((field, value)) = protobuf::field(&mut message)? {
        take(field, value)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(writer: &mut Writer, revision: u64) {
        writer.message(1, |header| header.varint(3, revision));
    }

    fn write_key(writer: &mut Writer, field: u32) {
        writer.message(field, |kv| {
            kv.bytes(1, b"k");
            kv.varint(2, 7);
            kv.varint(3, 9);
            kv.bytes(5, b"v");
            kv.varint(6, 42);
        });
    }

    fn key() -> KeyValue {
        KeyValue { key: b"k".to_vec(), value: b"v".to_vec(), create_revision: 7, mod_revision: 9, lease: 42 }
    }

    #[test]
    fn a_prefix_ends_before_the_next_one() {
        assert_eq!(prefix_end(b"/a/"), b"/a0");
        assert_eq!(prefix_end(b"a\xff\xff"), b"b");
        assert_eq!(prefix_end(b"\xff"), b"\0");
        assert_eq!(prefix_end(b""), b"\0");
    }

    #[test]
    fn a_key_that_was_made_now_has_the_revision_of_the_transaction() {
        let mut writer = Writer::default();
        header(&mut writer, 12);
        writer.varint(2, 1);
        let made = KeyValue { lease: 3, ..KeyValue::default() };
        let taken = taken(&writer.into_bytes(), made).unwrap();
        let holder = KeyValue { create_revision: 12, mod_revision: 12, lease: 3, ..KeyValue::default() };
        assert_eq!(taken, Taken { holder: Some(holder), revision: 12 });
    }

    #[test]
    fn a_key_of_somebody_else_is_as_it_was_read() {
        let mut writer = Writer::default();
        header(&mut writer, 12);
        writer.message(3, |operation| operation.message(1, |range| write_key(range, 2)));
        let taken = taken(&writer.into_bytes(), KeyValue::default()).unwrap();
        assert_eq!(taken, Taken { holder: Some(key()), revision: 12 });
    }

    #[test]
    fn a_key_is_replaced_or_read() {
        let mut writer = Writer::default();
        header(&mut writer, 12);
        writer.varint(2, 1);
        assert_eq!(replaced(&writer.into_bytes()), Ok(Replaced::Done(12)));
        let mut writer = Writer::default();
        header(&mut writer, 12);
        writer.message(3, |operation| operation.message(1, |range| write_key(range, 2)));
        assert_eq!(replaced(&writer.into_bytes()), Ok(Replaced::Changed(Some(key()))));
        let mut writer = Writer::default();
        header(&mut writer, 12);
        writer.message(3, |operation| operation.message(1, |range| header(range, 12)));
        assert_eq!(replaced(&writer.into_bytes()), Ok(Replaced::Changed(None)));
    }

    #[test]
    fn keys_leases_and_tokens_are_read() {
        let mut writer = Writer::default();
        header(&mut writer, 5);
        write_key(&mut writer, 2);
        writer.varint(3, 1);
        writer.varint(4, 300);
        let read = Page { keys: vec![key()], count: 300, has_more: true, revision: 5 };
        assert_eq!(page(&writer.into_bytes()), Ok(read));
        let mut writer = Writer::default();
        writer.varint(2, 1 << 62);
        writer.varint(3, 5);
        assert_eq!(lease(&writer.into_bytes()), Ok(Lease { id: 1 << 62, ttl: 5 }));
        let mut writer = Writer::default();
        writer.bytes(2, b"simple.token");
        assert_eq!(token(&writer.into_bytes()), Ok(b"simple.token".to_vec()));
    }

    #[test]
    fn changes_and_the_end_of_a_watch_are_read() {
        let mut writer = Writer::default();
        header(&mut writer, 8);
        writer.message(11, |event| write_key(event, 2));
        writer.message(11, |event| {
            event.varint(1, 1);
            event.message(2, |kv| {
                kv.bytes(1, b"gone");
                kv.varint(3, 8);
            });
        });
        let message = watched(&writer.into_bytes()).unwrap();
        assert_eq!(message.changes, [Change::Put(key()), Change::Deleted(b"gone".to_vec(), 8)]);
        assert_eq!((message.revision, message.canceled, message.compacted), (8, false, 0));
        let mut writer = Writer::default();
        writer.varint(4, 1);
        writer.varint(5, 100);
        writer.bytes(6, b"compacted");
        let message = watched(&writer.into_bytes()).unwrap();
        assert_eq!((message.canceled, message.compacted, &*message.reason), (true, 100, "compacted"));
    }
}
