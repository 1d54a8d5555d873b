cnnc_macros::net! {
    net Small {
        input image: [1, 8, 8]
        y = image |> conv(6, 3, strid: 2)
        z = image |> conv(6, 9)
        output y
        output z
    }
}

fn main() {}
