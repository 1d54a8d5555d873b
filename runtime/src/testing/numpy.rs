//! Files as NumPy writes them.

use std::format;
use std::io::Write;
use std::vec::Vec;

/// An `.npy` file, version 1.
pub fn npy(descr: &str, shape: &str, data: &[u8]) -> Vec<u8> {
    let mut header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}");
    while (10 + header.len() + 1) % 64 != 0 {
        header.push(' ');
    }
    header.push('\n');
    [b"\x93NUMPY\x01\x00", &(header.len() as u16).to_le_bytes()[..], header.as_bytes(), data].concat()
}

/// How a ZIP archive is written.
pub struct Zip {
    /// As `numpy.savez_compressed` does.
    pub deflate: bool,
    /// With all sizes and places in ZIP64 fields.
    pub wide: bool,
}

impl Zip {
    /// An archive of these files. Checksums are zero, since nobody here looks at them.
    pub fn archive(&self, files: &[(&str, Vec<u8>)]) -> Vec<u8> {
        let (mut bytes, mut list) = (Vec::new(), Vec::new());
        for (name, plain) in files {
            let packed = if self.deflate { deflated(plain) } else { plain.clone() };
            let place = bytes.len();
            let about = [&[20, 0, 0, 0, if self.deflate { 8 } else { 0 }, 0][..], &[0; 8]].concat();
            let sizes = [packed.len(), plain.len()].map(|size| (size as u32).to_le_bytes()).concat();
            let names = [name.len() as u16, 0].map(u16::to_le_bytes).concat();
            bytes.extend([b"PK\x03\x04", &about[..], &sizes, &names, name.as_bytes(), &packed].concat());

            let extra = [plain.len(), packed.len(), place].map(|n| (n as u64).to_le_bytes()).concat();
            let extra = if self.wide { [&[1, 0, 24, 0][..], &extra].concat() } else { Vec::new() };
            let number = |n: usize| if self.wide { [0xff; 4] } else { (n as u32).to_le_bytes() };
            let sizes = [number(packed.len()), number(plain.len())].concat();
            let lens = [name.len() as u16, extra.len() as u16, 0, 0, 0].map(u16::to_le_bytes).concat();
            let rest = [&lens[..], &[0; 4], &number(place)].concat();
            list.extend([b"PK\x01\x02\x14\x00", &about[..], &sizes, &rest, name.as_bytes(), &extra].concat());
        }
        let (start, size, count) = (bytes.len() as u64, list.len() as u64, files.len() as u64);
        bytes.extend(list);
        if self.wide {
            let place = bytes.len() as u64;
            let record = [44, 45 | 45 << 16, 0, count, count, size, start];
            let [len, versions, disks, numbers @ ..] = record.map(u64::to_le_bytes);
            bytes.extend([b"PK\x06\x06", &len[..], &versions[..4], &disks, &numbers.concat()].concat());
            bytes.extend([b"PK\x06\x07\0\0\0\0", &place.to_le_bytes()[..], &[1, 0, 0, 0]].concat());
        }
        let (count, start) = if self.wide { (0xffff, 0xffff_ffff) } else { (count as u16, start as u32) };
        let count = count.to_le_bytes();
        let end = [&[0; 4][..], &count, &count, &(size as u32).to_le_bytes(), &start.to_le_bytes(), &[0; 2]];
        bytes.extend([b"PK\x05\x06", &end.concat()[..]].concat());
        bytes
    }
}

fn deflated(plain: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(plain).expect("in memory");
    encoder.finish().expect("in memory")
}
