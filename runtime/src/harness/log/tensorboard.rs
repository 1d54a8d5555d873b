//! Event files for TensorBoard: records of TensorFlow's, each a message `Event` of Protocol Buffers.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::files::FileError;

/// An open event file.
pub(super) struct Events {
    path: PathBuf,
    file: BufWriter<File>,
}

impl Events {
    /// A new file beside those of earlier parts of a run; TensorBoard joins them.
    pub(super) fn create(folder: &Path) -> Result<Self, FileError> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let name = format!("events.out.tfevents.{:010}.{:09}.cnnc", now.as_secs(), now.subsec_nanos());
        let path = folder.join(name);
        let file = File::create(&path).map_err(|e| FileError::io(&path, &e))?;
        let mut events = Self { path, file: BufWriter::new(file) };
        let mut event = event_at(now.as_secs_f64());
        // Event.file_version = 3
        bytes(&mut event, 3, b"brain.Event:2");
        events.record(&event)?;
        events.flush()?;
        Ok(events)
    }

    /// A number of a step, under a name.
    pub(super) fn scalar(&mut self, name: &str, step: u64, value: f64) -> Result<(), FileError> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        // Summary.Value: tag = 1, simple_value = 2; Summary.value = 1; Event.step = 2, Event.summary = 5.
        let mut entry = Vec::new();
        bytes(&mut entry, 1, name.as_bytes());
        entry.push(2 << 3 | 5);
        entry.extend((value as f32).to_le_bytes());
        let mut summary = Vec::new();
        bytes(&mut summary, 1, &entry);
        let mut event = event_at(now.as_secs_f64());
        event.push(2 << 3);
        varint(&mut event, step);
        bytes(&mut event, 5, &summary);
        self.record(&event)
    }

    pub(super) fn flush(&mut self) -> Result<(), FileError> {
        self.file.flush().map_err(|e| FileError::io(&self.path, &e))
    }

    /// Length, its checksum, the bytes, their checksum.
    fn record(&mut self, event: &[u8]) -> Result<(), FileError> {
        let length = (event.len() as u64).to_le_bytes();
        let parts = [&length[..], &masked(&length), event, &masked(event)];
        parts.iter().try_for_each(|part| self.file.write_all(part)).map_err(|e| FileError::io(&self.path, &e))
    }
}

/// Event.wall_time = 1, in seconds.
fn event_at(seconds: f64) -> Vec<u8> {
    let mut event = vec![1 << 3 | 1];
    event.extend(seconds.to_le_bytes());
    event
}

/// A field of bytes.
fn bytes(message: &mut Vec<u8>, field: u8, value: &[u8]) {
    message.push(field << 3 | 2);
    varint(message, value.len() as u64);
    message.extend(value);
}

/// Seven bits a byte, the lowest first.
fn varint(message: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        message.push(value as u8 | 0x80);
        value >>= 7;
    }
    message.push(value as u8);
}

/// The checksum as records have it: turned and moved, so that checksums of checksums differ.
fn masked(data: &[u8]) -> [u8; 4] {
    (crc32c(data).rotate_right(15).wrapping_add(0xa282_ead8)).to_le_bytes()
}

/// CRC-32C (Castagnoli), bit by bit: what is written is short.
fn crc32c(data: &[u8]) -> u32 {
    !data.iter().fold(!0_u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0x82f6_3b78 & (crc & 1).wrapping_neg()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Folder;

    #[test]
    fn checksums_are_those_of_the_standard() {
        // RFC 3720, B.4.
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_is_named() {
        let path = PathBuf::from("/dev/full");
        let file = File::options().write(true).open(&path).expect("a device that is always full");
        let mut events = Events { path: path.clone(), file: BufWriter::new(file) };
        events.scalar("loss/learnt", 1, 0.5).expect("kept in memory");
        let error = events.flush().expect_err("a full disk");
        assert_eq!((error.path, &*error.message), (path, "the disk is full"));
    }

    #[test]
    fn records_are_whole() {
        let folder = Folder::new("events");
        let mut events = Events::create(&folder.path("")).expect("a file");
        events.scalar("loss/learnt", 300, 0.25).expect("written");
        events.flush().expect("written");
        let bytes = std::fs::read(&events.path).expect("a file");
        let (mut at, mut records) = (0, Vec::new());
        while at < bytes.len() {
            let length = u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight")) as usize;
            assert_eq!(bytes[at + 8..at + 12], masked(&bytes[at..at + 8]));
            let event = &bytes[at + 12..at + 12 + length];
            assert_eq!(bytes[at + 12 + length..at + 16 + length], masked(event));
            records.push(event[9..].to_vec());
            at += 16 + length;
        }
        assert_eq!(records[0], b"\x1a\x0dbrain.Event:2");
        // Step 300; a summary of 20 bytes with a value of 18: the name, then 0.25.
        assert_eq!(records[1], b"\x10\xac\x02\x2a\x14\x0a\x12\x0a\x0bloss/learnt\x15\x00\x00\x80\x3e");
    }
}
