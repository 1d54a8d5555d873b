//! Compiles the network that the program `built_net` includes.

fn main() {
    cnnc::build::Net::new("../specs/lenet5.net").set("classes", 10).infer_only().write();
}
