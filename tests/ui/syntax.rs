cnnc_macros::net! {
    net Small {
        input image: [1, 8, 8]
        y = image |> |> relu
        output y
    }
}

fn main() {}
