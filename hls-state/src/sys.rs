//! What only one kind of system has, with a plain fallback beside it.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, IoSlice};
use std::path::Path;
use std::time::SystemTime;

use crate::error::Context as _;
use crate::{Error, Kind};

/// Bytes that an ordinary user may still write to the file system of `path`, or `None` where the system does not say.
#[must_use]
pub fn free_space(path: &Path) -> Option<u64> {
    #[cfg(unix)]
    {
        let stat = rustix::fs::statvfs(path).ok()?;
        stat.f_bavail.checked_mul(stat.f_frsize)
    }
    #[cfg(not(unix))]
    {
        let _ = path;
        None
    }
}

/// Whether files can be created in a folder.
pub(crate) fn can_write(folder: &Path) -> io::Result<()> {
    if !std::fs::metadata(folder)?.is_dir() {
        return Err(io::ErrorKind::NotADirectory.into());
    }
    #[cfg(unix)]
    rustix::fs::access(folder, rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK)?;
    Ok(())
}

/// The name of this machine; empty where the system does not say.
pub(crate) fn host() -> String {
    #[cfg(unix)]
    return rustix::system::uname().nodename().to_string_lossy().replace(char::is_control, "");
    #[cfg(not(unix))]
    String::new()
}

/// Creates a folder that only its owner may enter.
pub(crate) fn create_private_folder(path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt as _;
        std::fs::DirBuilder::new().mode(0o700).create(path)
    }
    #[cfg(not(unix))]
    std::fs::create_dir(path)
}

/// Options that never follow a link planted at the last part of the path; `private` files are for the owner alone.
pub(crate) fn open_options(private: bool) -> OpenOptions {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        // What is not a regular file is not waited for: a pipe that nobody writes to would never open.
        options.custom_flags((rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK).bits() as i32);
        options.mode(if private { 0o600 } else { 0o666 });
    }
    let _ = private;
    options
}

/// Opens a file of a job to be read. What somebody has put in its place, such as a link, or a pipe that nobody writes to, is an error.
///
/// # Errors
/// As of [`File::open`]; where it is no regular file.
pub fn open_to_read(path: &Path) -> io::Result<File> {
    let file = open_options(false).read(true).open(path)?;
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(io::Error::other("it is no regular file any more")),
    }
}

/// Whether `file` is still what `path` names, and a regular file.
pub(crate) fn is_same_regular(file: &File, path: &Path) -> io::Result<bool> {
    let (ours, named) = (file.metadata()?, std::fs::symlink_metadata(path)?);
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        Ok(ours.is_file() && ours.dev() == named.dev() && ours.ino() == named.ino())
    }
    #[cfg(not(unix))]
    Ok(ours.is_file() && named.is_file())
}

/// Whether `path` names `file`, which is regular and `len` bytes long.
pub(crate) fn is_as_written(file: &File, len: u64, path: &Path) -> Result<(), Error> {
    match is_same_regular(file, path) {
        Ok(true) => {}
        Ok(false) => {
            return Err(Error::new(Kind::Io, "another program has put something else in place of", path));
        }
        Err(e) => return Err(Error::from_io("can't look at", path, e)),
    }
    match file.metadata().at("can't read", path)?.len() == len {
        true => Ok(()),
        false => Err(Error::new(Kind::Io, "another program has changed the length of", path)),
    }
}

/// When a file was last written, where that is noted as it happens.
pub(crate) fn modified(meta: &Metadata) -> Option<SystemTime> {
    if cfg!(unix) { meta.modified().ok() } else { None }
}

/// Gives up this name of a file that has others (hard links), where no record speaks of it: whoever has it by another name may
/// need what is in it.
pub(crate) fn leave_to_others(path: &Path, is_unrecorded: bool) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        let is_shared = || std::fs::symlink_metadata(path).is_ok_and(|m| m.is_file() && m.nlink() > 1);
        if is_unrecorded && is_shared() {
            // Where that fails the folder can't be written to, which ends the job at its next step.
            let _ = std::fs::remove_file(path);
        }
    }
    #[cfg(not(unix))]
    let _ = (path, is_unrecorded);
}

/// Whether a file belongs to the user of this process, and nobody else may read or write it. Where the system has no
/// owners, it does.
pub(crate) fn is_ours_alone(file: &File) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        let uid = rustix::process::geteuid().as_raw();
        file.metadata().is_ok_and(|m| m.is_file() && m.uid() == uid && m.mode() & 0o077 == 0)
    }
    #[cfg(not(unix))]
    file.metadata().is_ok_and(|m| m.is_file())
}

/// Whether a folder belongs to the user of this process, and nobody else may change what is in it.
pub(crate) fn is_folder_of_ours(path: &Path) -> bool {
    let Ok(meta) = std::fs::symlink_metadata(path) else { return false };
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        meta.is_dir() && meta.uid() == rustix::process::geteuid().as_raw() && meta.mode() & 0o022 == 0
    }
    #[cfg(not(unix))]
    meta.is_dir()
}

/// Writes all of `data` at `offset`, whatever the position of the file.
pub(crate) fn write_all_at(file: &File, mut data: &[u8], mut offset: u64) -> io::Result<()> {
    while !data.is_empty() {
        let written = match write_at(file, data, offset) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => written,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(e),
        };
        data = data.get(written..).unwrap_or_default();
        offset += written as u64;
    }
    Ok(())
}

/// Writes all slices one behind the other from `offset` on.
pub(crate) fn write_all_vectored_at(file: &File, data: &[IoSlice<'_>], offset: u64) -> io::Result<()> {
    let mut at = offset;
    let mut done = 0;
    #[cfg(any(target_os = "linux", target_os = "android"))]
    if data.len() > 1 {
        // One call for all; what it leaves over is written piece by piece below.
        done = rustix::io::pwritev(file, data.get(..data.len().min(1024)).unwrap_or_default(), offset)?;
    }
    for piece in data {
        let skip = done.min(piece.len());
        done -= skip;
        write_all_at(file, piece.get(skip..).unwrap_or_default(), at + skip as u64)?;
        at += piece.len() as u64;
    }
    Ok(())
}

/// Reads at `offset`, whatever the position of the file; 0 at its end.
pub(crate) fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    loop {
        #[cfg(unix)]
        let read = std::os::unix::fs::FileExt::read_at(file, buffer, offset);
        #[cfg(windows)]
        let read = std::os::windows::fs::FileExt::seek_read(file, buffer, offset);
        match read {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            read => return read,
        }
    }
}

fn write_at(file: &File, data: &[u8], offset: u64) -> io::Result<usize> {
    #[cfg(unix)]
    return std::os::unix::fs::FileExt::write_at(file, data, offset);
    #[cfg(windows)]
    return std::os::windows::fs::FileExt::seek_write(file, data, offset);
}

/// Renames without replacing anything: by the system's own call, else by link and unlink, else by looking first.
pub(crate) fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        use rustix::fs::{CWD, RenameFlags, renameat_with};
        use rustix::io::Errno;
        match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
            Ok(()) => return Ok(()),
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {}
            Err(e) => return Err(e.into()),
        }
    }
    rename_new_plainly(from, to)
}

/// The fallback of [`rename_new`] for file systems that know no such rename.
pub(crate) fn rename_new_plainly(from: &Path, to: &Path) -> io::Result<()> {
    match std::fs::hard_link(from, to) {
        Ok(()) => std::fs::remove_file(from),
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Err(e),
        Err(_) if std::fs::symlink_metadata(to).is_ok() => Err(io::ErrorKind::AlreadyExists.into()),
        Err(_) => std::fs::rename(from, to),
    }
}

/// Asks the system to begin writing a part of a file to the disk, and to drop from its cache what is on the disk already;
/// nobody waits for it, and nothing depends on it.
pub(crate) fn send_out(file: &File, offset: u64, len: u64) {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        // Linux starts to write out what is dirty, then drops what is clean.
        let len = std::num::NonZeroU64::new(len);
        let _ = rustix::fs::fadvise(file, offset, len, rustix::fs::Advice::DontNeed);
    }
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    let _ = (file, offset, len);
}

/// A folder whose names can be made durable.
#[derive(Debug)]
pub(crate) struct Folder(#[cfg(unix)] File);

/// Opens a folder to make its names durable.
pub(crate) fn open_folder(path: &Path) -> io::Result<Folder> {
    #[cfg(unix)]
    return File::open(path).map(Folder);
    #[cfg(not(unix))]
    {
        let _ = path;
        Ok(Folder())
    }
}

impl Folder {
    /// Makes its names durable, where the system can.
    pub(crate) fn sync(&self) -> io::Result<()> {
        #[cfg(unix)]
        return self.0.sync_all();
        #[cfg(not(unix))]
        Ok(())
    }
}

/// Makes the names in a folder durable, where the system can.
pub(crate) fn sync_folder(path: &Path) -> io::Result<()> {
    open_folder(path)?.sync()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectored_writes_land_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let file = File::create(folder.path().join("f")).unwrap();
        let pieces: Vec<Vec<u8>> =
            (0..1500_u32).map(|n| n.to_be_bytes().repeat(1 + n as usize % 3)).collect();
        let slices: Vec<IoSlice<'_>> = pieces.iter().map(|p| IoSlice::new(p)).collect();
        write_all_vectored_at(&file, &slices, 3).unwrap();
        let expect = [vec![0; 3], pieces.concat()].concat();
        assert_eq!(std::fs::read(folder.path().join("f")).unwrap(), expect);
    }

    #[test]
    fn renames_never_replace() {
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = (folder.path().join("a"), folder.path().join("b"));
        for rename in [rename_new, rename_new_plainly] {
            std::fs::write(&a, "a").unwrap();
            rename(&a, &b).unwrap();
            assert!(!a.exists());
            std::fs::write(&a, "c").unwrap();
            assert_eq!(rename(&a, &b).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
            assert_eq!(std::fs::read(&b).unwrap(), b"a");
            std::fs::remove_file(&b).unwrap();
        }
    }
}
