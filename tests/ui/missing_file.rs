cnnc_macros::net!("no/such/file.net");

fn main() {}
