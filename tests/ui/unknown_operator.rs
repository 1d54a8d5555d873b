cnnc_macros::net! {
    net Small {
        input image: [1, 8, 8]
        y = image |> cnov(6, 3) |> relu
        output y
    }
}

fn main() {}
