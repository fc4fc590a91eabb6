//! Files that a run writes: opened before anything else happens, so that a wrong path is told at once.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use wire::{Doing, End, Fault};

/// A file to write by its name on the command line. `-` is standard output elsewhere; here that has its own to show.
pub fn named(path: PathBuf) -> Result<PathBuf, &'static str> {
    match path.as_os_str().as_encoded_bytes() {
        b"" => Err("it has to be the name of a file"),
        b"-" => Err("it has to be the name of a file, for standard output shows the result"),
        _ => Ok(path),
    }
}

/// A file that is being written.
pub struct OutputFile {
    path: PathBuf,
    file: BufWriter<File>,
}

impl OutputFile {
    /// Makes the file, or empties it.
    pub fn create(path: &Path) -> Result<OutputFile, Fault> {
        match File::create(path) {
            Ok(file) => Ok(OutputFile { path: path.to_owned(), file: BufWriter::new(file) }),
            Err(error) => Err(write_fault(path, &error)),
        }
    }

    /// Writes a whole text and what was buffered.
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

/// A file that appears whole or not at all: written beside its place, then moved there.
pub struct WholeFile {
    path: PathBuf,
    beside: PathBuf,
    file: Option<File>,
}

impl WholeFile {
    /// Opens the file beside its place.
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
    fn a_wrong_path_is_told_with_its_name() {
        let fault = OutputFile::create(Path::new("/nonexistent/x")).map(drop).unwrap_err();
        assert_eq!(explain::sentence(&fault), "write /nonexistent/x: no such file or directory");
    }
}
