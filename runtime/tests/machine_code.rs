//! The machine code of the register tiles: in the loops where networks spend their time, sums stay in registers.
//!
//! One careless line keeps them in memory instead, and a network takes several times as long with the same results. The
//! test disassembles itself, in release builds: `cargo test --release -p cnnc-runtime --test machine_code`. It needs the
//! `objdump` of GNU binutils, and no processor that has the instructions.
#![cfg(all(target_arch = "x86_64", not(debug_assertions)))]

use std::hint::black_box;
use std::process::Command;

use cnnc_runtime::Isa;

/// A function as it was disassembled: addresses and instructions in the order of AT&T.
struct Function<'a> {
    name: &'a str,
    code: Vec<(u64, &'a str)>,
}

/// This program, with the kernels in it.
fn disassembly() -> String {
    black_box((Isa::convolve as *const (), Isa::outer as *const ()));
    let program = std::env::current_exe().expect("a running test");
    let output = Command::new("objdump").args(["-d", "--no-show-raw-insn"]).arg(program).output();
    let output = output.expect("objdump, of GNU binutils, is installed");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("instructions are ASCII")
}

/// The functions whose name has one of some paths, in which lengths stand before names: `4tile4avx2`.
fn functions<'a>(text: &'a str, paths: &[&str]) -> Vec<Function<'a>> {
    let mut found: Vec<Function<'a>> = Vec::new();
    for part in text.split("\n\n") {
        let mut lines = part.trim_start().lines();
        let Some(name) = lines.next().and_then(|line| line.split_once('<')?.1.strip_suffix(">:")) else { continue };
        if paths.iter().any(|path| name.contains(path)) {
            let instruction = |line: &'a str| {
                let (address, instruction) = line.trim_start().split_once(":\t")?;
                Some((u64::from_str_radix(address, 16).ok()?, instruction))
            };
            found.push(Function { name, code: lines.filter_map(instruction).collect() });
        }
    }
    found
}

/// Where an instruction jumps to, if it does.
fn target(instruction: &str) -> Option<u64> {
    let (jump, target) = instruction.split_once(char::is_whitespace)?;
    let address = target.split_whitespace().next()?;
    if jump.starts_with('j') { u64::from_str_radix(address, 16).ok() } else { None }
}

fn multiply_adds(body: &[(u64, &str)], register: &str) -> usize {
    body.iter().filter(|(_, i)| i.starts_with("vfmadd") && i.contains(register)).count()
}

impl<'a> Function<'a> {
    /// Loops that multiply and add, without others in them that do.
    fn hot_loops(&self) -> Vec<&[(u64, &'a str)]> {
        let first = self.code.first().map_or(0, |(address, _)| *address);
        let backwards = |at: usize| {
            let start = target(self.code[at].1).filter(|to| (first..=self.code[at].0).contains(to))?;
            Some((self.code.partition_point(|(address, _)| *address < start), at))
        };
        let multiplies = |(from, to): &(usize, usize)| multiply_adds(&self.code[*from..=*to], "mm") > 0;
        let loops: Vec<(usize, usize)> = (0..self.code.len()).filter_map(backwards).filter(multiplies).collect();
        let holds = |a: (usize, usize), b: (usize, usize)| a != b && a.0 <= b.0 && b.1 <= a.1;
        let innermost = loops.iter().filter(|a| !loops.iter().any(|b| holds(**a, *b)));
        innermost.map(|(from, to)| &self.code[*from..=*to]).collect()
    }

    /// Vectors that a loop keeps on the stack.
    fn spills(&self, body: &[(u64, &'a str)]) -> Vec<&'a str> {
        let frame = self.code.iter().any(|(_, i)| i.split_whitespace().eq(["mov", "%rsp,%rbp"]));
        let stack = |i: &str| i.contains("(%rsp") || frame && i.contains("(%rbp");
        body.iter().map(|(_, i)| *i).filter(|i| stack(i) && i.contains("mm")).collect()
    }
}

/// Every hot loop of some functions keeps its vectors in registers, and one has so many multiply-adds; and loads so many numbers
/// for all lanes, if that is told.
#[track_caller]
fn check(text: &str, paths: &[&str], register: &str, count: usize, splats: Option<usize>) {
    let functions = functions(text, paths);
    let mut counts = Vec::new();
    for (function, body) in functions.iter().flat_map(|f| f.hot_loops().into_iter().map(move |body| (f, body))) {
        let spills = function.spills(body);
        assert!(spills.is_empty(), "{} keeps vectors on the stack at {:x}: {spills:#?}", function.name, body[0].0);
        counts
            .push((multiply_adds(body, register), body.iter().filter(|(_, i)| i.starts_with("vbroadcastss")).count()));
    }
    let found = counts.iter().any(|found| found.0 == count && splats.is_none_or(|splats| found.1 == splats));
    assert!(found, "loops in {paths:?} have {counts:?} multiply-adds and splats, none {count} and {splats:?}");
}

#[test]
fn sums_stay_in_registers() {
    let text = disassembly();
    // Two blocks of channels by 14 pixels; one block in two registers by 6 pixels, of sixteen input channels at a time.
    check(&text, &["7blocked4tile6avx512", "7blocked4tile4wide7tile512"], "%zmm", 28, None);
    check(&text, &["7blocked4tile4AVX23run"], "%ymm", 16 * 12, None);
    // Four blocks by six pixels.
    check(&text, &["7blocked4tile4wide7tile512"], "%zmm", 24, Some(6));
    // Two blocks by eleven weights; one block in two registers by six.
    check(&text, &["7blocked5outer6avx512", "7blocked5outer7sums512"], "%zmm", 22, None);
    check(&text, &["7blocked5outer4avx2"], "%ymm", 12, None);
}
