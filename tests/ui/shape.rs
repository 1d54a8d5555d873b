cnnc_macros::net! {
    net Small {
        input image: [1, 8, 8]
        y = image |> dense(10)
        output y
    }
}

fn main() {}
