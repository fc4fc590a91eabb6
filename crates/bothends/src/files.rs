//! Files that a run writes: opened before anything else happens, so that a wrong path is told at once.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use wire::capture::Format;
use wire::{Doing, End, Fault};

/// A file to write by its name on the command line. `-` is standard output elsewhere; here that has its own to show.
///
/// # Errors
/// What is wrong with a name that is empty or `-`, a sentence.
pub fn named(path: PathBuf) -> Result<PathBuf, &'static str> {
    match path.as_os_str().as_encoded_bytes() {
        b"" => Err("it has to be the name of a file"),
        b"-" => Err("it has to be the name of a file, for standard output shows the result"),
        _ => Ok(path),
    }
}

/// The format of a capture that is written, by its name: pcap where that ends in `.pcap`, else pcapng, which has room for
/// comments.
pub fn capture_format(path: &Path) -> Format {
    match path.extension() {
        Some(extension) if extension.eq_ignore_ascii_case("pcap") => Format::Pcap,
        _ => Format::Pcapng,
    }
}

/// A file that is being written.
pub struct OutputFile {
    path: PathBuf,
    file: BufWriter<File>,
}

impl OutputFile {
    /// Makes the file, or empties it.
    ///
    /// # Errors
    /// [`Doing::Write`] at this path, with the errno of open(2).
    pub fn create(path: &Path) -> Result<OutputFile, Fault> {
        match File::create(path) {
            Ok(file) => Ok(OutputFile { path: path.to_owned(), file: BufWriter::new(file) }),
            Err(error) => Err(write_fault(path, &error)),
        }
    }

    /// Writes a whole text and what was buffered.
    ///
    /// # Errors
    /// [`Doing::Write`] at its path, with the errno of write(2).
    pub fn finish(mut self, text: &str) -> Result<(), Fault> {
        let written = self.file.write_all(text.as_bytes()).and_then(|()| self.file.flush());
        written.map_err(|error| write_fault(&self.path, &error))
    }
}

impl Write for OutputFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// A file that is opened early, so that a wrong path is told, and is what it was until something is written. One that was
/// not there goes again where nothing is.
pub struct LateFile {
    path: PathBuf,
    file: File,
    /// It was not there, and nothing has been written.
    is_new: bool,
}

impl LateFile {
    /// Opens the file, or makes it.
    ///
    /// # Errors
    /// [`Doing::Write`] at this path, with the errno of open(2).
    pub fn create(path: &Path) -> Result<LateFile, Fault> {
        let new = OpenOptions::new().write(true).create_new(true).open(path);
        let is_new = new.is_ok();
        // A link that leads to no file is none that can be made anew, but one that can be followed.
        let file = new.or_else(|_| OpenOptions::new().write(true).create(true).truncate(false).open(path));
        let file = file.map_err(|error| write_fault(path, &error))?;
        Ok(LateFile { path: path.to_owned(), file, is_new })
    }

    /// Writes this instead of what is in it.
    ///
    /// # Errors
    /// [`Doing::Write`] at its path, with the errno of ftruncate(2) or write(2).
    pub fn finish(mut self, text: &str) -> Result<(), Fault> {
        self.is_new = false;
        // What has no length, as a terminal or a pipe, cannot be emptied.
        let emptied = match self.file.metadata() {
            Ok(metadata) if metadata.is_file() => self.file.set_len(0),
            _ => Ok(()),
        };
        let written = emptied.and_then(|()| self.file.write_all(text.as_bytes()));
        written.map_err(|error| write_fault(&self.path, &error))
    }

    /// Its name.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it was not there before.
    pub fn is_new(&self) -> bool {
        self.is_new
    }
}

impl Drop for LateFile {
    fn drop(&mut self) {
        if self.is_new {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// A file that appears whole or not at all: written beside its place, then moved there.
pub struct WholeFile {
    path: PathBuf,
    beside: PathBuf,
    file: Option<File>,
}

impl WholeFile {
    /// Opens the file beside its place.
    ///
    /// # Errors
    /// [`Doing::Write`] at this path, with the errno of open(2) for the file beside it.
    pub fn create(path: &Path) -> Result<WholeFile, Fault> {
        let mut beside = path.as_os_str().to_owned();
        beside.push(format!(".{}", std::process::id()));
        let beside = PathBuf::from(beside);
        match File::create(&beside) {
            Ok(file) => Ok(WholeFile { path: path.to_owned(), beside, file: Some(file) }),
            Err(error) => Err(write_fault(path, &error)),
        }
    }

    /// Writes the text and moves the file to its place.
    ///
    /// # Errors
    /// [`Doing::Write`] at its path, with the errno of write(2) or rename(2). There is none where it has been published
    /// before: then nothing is done.
    pub fn publish(&mut self, text: &str) -> Result<(), Fault> {
        let Some(mut file) = self.file.take() else { return Ok(()) };
        let moved = file.write_all(text.as_bytes()).and_then(|()| std::fs::rename(&self.beside, &self.path));
        moved.map_err(|error| write_fault(&self.path, &error))
    }
}

impl Drop for WholeFile {
    fn drop(&mut self) {
        if self.file.take().is_some() {
            let _ = std::fs::remove_file(&self.beside);
        }
    }
}

/// The fault for an error that writing met.
pub fn write_fault(path: &Path, error: &io::Error) -> Fault {
    Fault::io(End::You, Doing::Write, path.display().to_string(), error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_file_appears_at_once_or_never() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("port");
        let left = || std::fs::read_dir(folder.path()).unwrap().count();
        drop(WholeFile::create(&path).unwrap());
        assert_eq!(left(), 0);
        let mut file = WholeFile::create(&path).unwrap();
        assert!(!path.exists());
        file.publish("7\n").unwrap();
        assert_eq!((std::fs::read_to_string(&path).unwrap().as_str(), left()), ("7\n", 1));
    }

    #[test]
    fn a_late_file_stays_as_it_was_until_something_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let [old, new] = ["old.svg", "new.svg"].map(|name| folder.path().join(name));
        std::fs::write(&old, "a longer picture").unwrap();
        drop([&old, &new].map(|path| LateFile::create(path).unwrap()));
        assert_eq!(
            (std::fs::read_to_string(&old).unwrap().as_str(), new.exists()),
            ("a longer picture", false)
        );
        for path in [&old, &new] {
            LateFile::create(path).unwrap().finish("short").unwrap();
            assert_eq!(std::fs::read_to_string(path).unwrap(), "short");
        }
        LateFile::create(Path::new("/dev/null")).unwrap().finish("gone").unwrap();
    }

    #[test]
    fn a_wrong_path_is_told_with_its_name() {
        let fault = OutputFile::create(Path::new("/nonexistent/x")).map(drop).unwrap_err();
        assert_eq!(explain::sentence(&fault), "write /nonexistent/x: no such file or directory");
    }
}
