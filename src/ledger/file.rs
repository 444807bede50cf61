//! The file: how it is opened, when it counts as damaged, and how it is set aside.

use std::fmt;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::touched::{Files, Identity, Touched, no_file, with_end};
use super::{owner, schema};
use crate::clock::Stamp;

/// The name of the file.
pub const NAME: &str = "ledger.sqlite";

/// Whoever writes holds a shared lock on this; whoever puts another file in the ledger's place holds it alone.
const LOCK: &str = "ledger.lock";

/// A larger file is looked through after the start.
const LARGE: u64 = 64 << 20;

/// How often a large file is looked through at most because somebody else has written to it.
const SELDOM: Duration = Duration::from_secs(600);

/// How long another program may hold the write lock.
const BUSY: Duration = Duration::from_secs(5);

/// Why the file can't be written now.
#[derive(Debug)]
pub enum Obstacle {
    /// It is no ledger, or no longer one.
    Damage(String),
    /// A newer program has written it.
    Newer(i64),
    /// Another program holds the lock on it.
    Busy,
    /// It may be possible later.
    Later(String),
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Damage(why) | Self::Later(why) => f.write_str(why),
            Self::Newer(version) => {
                write!(
                    f,
                    "it was written by a newer version of this program: its schema is {version}, this program knows {}",
                    schema::VERSION
                )
            }
            Self::Busy => f.write_str("another program holds the lock on it"),
        }
    }
}

/// An open ledger.
#[derive(Debug)]
pub struct Open {
    /// The connection that writes.
    pub connection: Connection,
    /// It is to be looked through, and was not because it is large.
    pub is_unchecked: bool,
    /// The files as they were when this program had them last.
    files: Files,
    /// When somebody else had written to the file, and it was looked through for that.
    looked: Option<Instant>,
    path: PathBuf,
    _lock: File,
}

impl Open {
    /// Whether the path still leads to this file. Otherwise somebody has moved it, or put another in its place.
    pub fn is_in_place(&self) -> bool {
        self.files.touched(&self.path) != Touched::Moved
    }

    /// Which file it is.
    pub fn identity(&self) -> Identity {
        self.files.ledger
    }

    /// What others have done with the files since they were opened, or [seen](Self::seen) last.
    pub fn touched(&self) -> Touched {
        self.files.touched(&self.path)
    }

    /// What is on the disk is as it should be.
    pub fn seen(&mut self) -> Result<(), Obstacle> {
        self.files = Files::look(&self.path)?;
        Ok(())
    }

    /// Looks for damage as somebody who opens the file now, and not as one who remembers what was in it.
    pub fn look_afresh(&mut self) -> Result<(), Obstacle> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.path, flags)?;
        connection.busy_timeout(BUSY)?;
        inspect(&connection)?;
        // a program that copies the ledger all the time may write to it each minute (Litestream makes the checkpoints)
        let is_large = fs::metadata(&self.path)?.len() > LARGE;
        if is_large && self.looked.is_some_and(|looked| looked.elapsed() < SELDOM) {
            return Ok(());
        }
        self.looked = Some(Instant::now());
        look_through(&connection)
    }

    /// Looks for damage in all of it.
    pub fn look_through(&self) -> Result<(), Obstacle> {
        look_through(&self.connection)
    }
}

impl From<rusqlite::Error> for Obstacle {
    fn from(error: rusqlite::Error) -> Self {
        let code = match &error {
            rusqlite::Error::SqliteFailure(error, _) => error.code,
            // a value that is not of the type that its column has
            _ => ErrorCode::DatabaseCorrupt,
        };
        match code {
            // what we write breaks no constraint, so a sum has, with a number that was not ours
            ErrorCode::DatabaseCorrupt
            | ErrorCode::NotADatabase
            | ErrorCode::ConstraintViolation
            | ErrorCode::TypeMismatch => Self::Damage(error.to_string()),
            ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => Self::Busy,
            _ => Self::Later(error.to_string()),
        }
    }
}

impl From<io::Error> for Obstacle {
    fn from(error: io::Error) -> Self {
        Self::Later(error.to_string())
    }
}

/// Opens the ledger of a folder for writing; makes what is not there. `look` = for damage, unless it is large: then that is left to the caller.
pub fn open(folder: &Path, look: bool) -> Result<Open, Obstacle> {
    fs::create_dir_all(folder)?;
    let lock = lock(folder)?;
    lock.try_lock_shared().map_err(|error| match error {
        TryLockError::WouldBlock => Obstacle::Later("another program puts a file in its place".to_owned()),
        TryLockError::Error(error) => error.into(),
    })?;
    let path = folder.join(NAME);
    // without a ledger, what is beside it is the rest of another one
    if let Some((odd, is)) = no_file(&path)
        && (odd == path || fs::exists(&path)?)
    {
        return Err(Obstacle::Damage(format!("{} is {is}", odd.display())));
    }
    if !fs::exists(&path)? {
        create(folder)?;
    }
    // never `File::open` on it: closing that would drop the locks that SQLite holds (sqlite.org/howtocorrupt.html, 2.2)
    let mut connection =
        Connection::open_with_flags(&path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(BUSY)?;
    inspect(&connection)?;
    let is_large = fs::metadata(&path)?.len() > LARGE;
    if look && !is_large {
        look_through(&connection)?;
    }
    settings(&connection)?;
    schema::migrate(&mut connection, schema::FIRST, schema::STEPS)?;
    // what SQLite can't even list (SQLITE_ERROR), such as a view of columns that are not there, is none of ours
    let differences = schema::differences(&connection).map_err(|error| match error.sqlite_error_code() {
        Some(ErrorCode::Unknown) => Obstacle::Damage(error.to_string()),
        _ => error.into(),
    })?;
    match differences.first() {
        Some(missing) => Err(Obstacle::Damage(format!("it has no {missing}"))),
        // only now the log is there
        None => Ok(Open {
            connection,
            is_unchecked: look && is_large,
            files: Files::look(&path)?,
            looked: None,
            path,
            _lock: lock,
        }),
    }
}

/// The file whose lock says who uses the ledger.
pub fn lock(folder: &Path) -> io::Result<File> {
    lock_file(folder, LOCK)
}

/// A file to hold a lock on, which is made where there is none.
pub fn lock_file(folder: &Path, name: &str) -> io::Result<File> {
    let path = folder.join(name);
    if let Some((path, is)) = no_file(&path) {
        return Err(io::Error::other(format!("{} is {is}", path.display())));
    }
    let is_new = !fs::exists(&path)?;
    let file = File::options().create(true).truncate(false).read(true).write(true).open(&path)?;
    if is_new {
        // root may look at the ledger before the process does that is to hold the lock
        let _ = owner::give(&path, &folder.join(NAME));
    }
    Ok(file)
}

/// Whether it is a ledger, of a version that we can write.
pub fn inspect(connection: &Connection) -> Result<(), Obstacle> {
    let application = schema::pragma(connection, "application_id")?;
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    let version = schema::pragma(connection, "user_version")?;
    match version {
        _ if tables == 0 => Err(Obstacle::Damage("it has no tables".to_owned())),
        _ if application != schema::APPLICATION => Err(Obstacle::Damage("another program has made it".to_owned())),
        _ if version > schema::VERSION => Err(Obstacle::Newer(version)),
        schema::FIRST.. => Ok(()),
        _ => Err(Obstacle::Damage(format!("no program has written version {version} of it"))),
    }
}

fn look_through(connection: &Connection) -> Result<(), Obstacle> {
    let found: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if found == "ok" { Ok(()) } else { Err(Obstacle::Damage(found)) }
}

fn settings(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "journal_mode", "wal")?;
    // what was committed survives a power cut
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "wal_autocheckpoint", 500)?;
    connection.pragma_update(None, "journal_size_limit", 4 << 20)?;
    // KiB
    connection.pragma_update(None, "cache_size", -2048)?;
    connection.pragma_update(None, "mmap_size", 0)?;
    // we have no triggers, so one that is there is somebody else's program
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(())
}

/// Gives so many unused pages back to the file system; 0 = all.
pub fn shrink(connection: &Connection, pages: u32) -> rusqlite::Result<()> {
    let mut statement = connection.prepare(&format!("PRAGMA incremental_vacuum({pages})"))?;
    let mut steps = statement.query([])?;
    // each step gives one back
    while steps.next()?.is_some() {}
    Ok(())
}

/// Makes an empty ledger. It gets its name when it is whole, so that a crash leaves none that is half made.
fn create(folder: &Path) -> Result<(), Obstacle> {
    let new = folder.join(format!("ledger.new-{}.sqlite", std::process::id()));
    remove(&new)?;
    {
        let mut connection = Connection::open(&new)?;
        // has to be said before there are tables
        connection.pragma_update(None, "auto_vacuum", "incremental")?;
        schema::create(&mut connection)?;
    }
    put_in_place(&new, folder)
}

/// Gives a whole file the ledger's name, unless there is one: another process may have been faster.
pub fn put_in_place(new: &Path, folder: &Path) -> Result<(), Obstacle> {
    let path = folder.join(NAME);
    if !fs::exists(&path)? {
        // SQLite would take the log of a file that is gone for that of the new one
        move_log(&path, &free_name(folder, "left"))?;
    }
    match give_name(new, &path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(remove(new)?),
        named => Ok(named?),
    }
}

/// Gives a file another name, for good, unless there is one with that name.
pub fn give_name(from: &Path, to: &Path) -> io::Result<()> {
    match fs::hard_link(from, to) {
        Ok(()) => remove(from)?,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(error),
        // a file system without links: there is a moment in which another process could be overwritten
        Err(_) if fs::exists(to)? => return Err(io::ErrorKind::AlreadyExists.into()),
        Err(_) => fs::rename(from, to)?,
    }
    let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

/// Moves the log that belongs to a file, and its index; where a file system can't have these, SQLite uses a journal.
fn move_log(file: &Path, to: &Path) -> io::Result<()> {
    for end in ["-wal", "-shm", "-journal"] {
        if fs::exists(with_end(file, end))? {
            fs::rename(with_end(file, end), with_end(to, end))?;
        }
    }
    Ok(())
}

/// Sets the ledger of a folder aside, with its log; nothing is deleted. `None` = there is none. The new name has `what` and the time in it.
pub fn set_aside(folder: &Path, what: &str) -> io::Result<Option<PathBuf>> {
    let path = folder.join(NAME);
    if !fs::exists(&path)? {
        return Ok(None);
    }
    let aside = free_name(folder, what);
    fs::rename(&path, &aside)?;
    move_log(&path, &aside)?;
    File::open(folder)?.sync_all()?;
    Ok(Some(aside))
}

/// Sets a ledger that was found damaged aside, if it is still in its place.
pub fn set_open_aside(open: Option<Open>, folder: &Path) -> io::Result<Option<PathBuf>> {
    if let Some(open) = open {
        // its log is to be kept as it is
        let _ = open.connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true);
        if !open.is_in_place() {
            return Ok(None);
        }
    }
    set_aside(folder, "damaged")
}

fn free_name(folder: &Path, what: &str) -> PathBuf {
    let second = Stamp::now().to_string().replace(['-', ':'], "");
    let second = second.split('.').next().unwrap_or_default();
    let name = |more: String| folder.join(format!("ledger.{what}-{second}Z{more}.sqlite"));
    let mut free = name(String::new());
    let mut tries = 1;
    while fs::exists(&free).unwrap_or(false) || fs::exists(with_end(&free, "-wal")).unwrap_or(false) {
        tries += 1;
        free = name(format!("-{tries}"));
    }
    free
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
