//! What detectors are made of: regions of maps, boxes in maps, and losses beside objects.
//!
//! Decisions are taken on numbers that rounding of layers before cannot move: regions and the scores of proposals are inputs,
//! objects are targets. Maps of boxes are normalised, not squashed: `tanh` would make equal in single precision what a pool behind
//! it has to choose from.

use super::Writer;

/// Pixels of the image from an element of a map to the next.
const STRIDE: usize = 8;

/// Objects of an image.
const OBJECTS: usize = 4;

impl Writer {
    /// Regions of the map, each as a map of its own.
    pub(super) fn regions(&mut self) {
        if self.rank() != 2 || self.inputs.len() > 1 {
            return self.activation();
        }
        let count = self.random.between(1, 4);
        if self.random.one_in(2) {
            self.corners(count);
        } else {
            self.proposed(count);
        }
        let size = [self.random.between(1, 3), self.random.between(1, 3)];
        let call = *self.random.pick(&["roi_pool", "roi_align"]);
        let more = match call {
            "roi_align" => {
                self.some(&[&["aligned: true", "aligned: false"], &["sampling_ratio: 2", "sampling_ratio: 1"]])
            }
            _ => String::new(),
        };
        let scale = 1.0 / STRIDE as f64;
        let written = self.axes(&size);
        self.say(format!("x = {call}(x, regions, {written}, scale: {scale}{more})"));
        self.shape = vec![self.shape[0], count, size[0], size[1]];
    }

    /// Regions by corners, some of which reach beyond the map.
    fn corners(&mut self, count: usize) {
        self.inputs.push(format!("    input corners: [{count}, 4]"));
        self.say("near = 12 * abs(slice(corners, 0, 2, axis: 1))".into());
        self.say("regions = concat(near, near + 1 + 20 * abs(slice(corners, 2, 4, axis: 1)), axis: 1)".into());
    }

    /// Regions by scores and moves of anchors.
    fn proposed(&mut self, count: usize) {
        let (height, width) = (self.shape[1], self.shape[2]);
        self.inputs.push(format!("    input scores: [2, {height}, {width}]"));
        self.inputs.push(format!("    input moves: [8, {height}, {width}]"));
        let more =
            self.some(&[&["iou: 0.4", "iou: 0.9"], &["pre: 15"], &["image: [31, 26]", "image: 30"], &["min_size: 9"]]);
        self.say(format!(
            "regions = proposals(scores, 0.3 * moves, {STRIDE}, count: {count}, scales: [9, 14], ratios: [0.7]{more})"
        ));
    }

    /// The boxes of a map, as rows.
    pub(super) fn decoded(&mut self) {
        let cells: usize = self.shape[1..].iter().product();
        if self.rank() != 2 || cells > 30 {
            return self.activation();
        }
        let (version, classes) = (self.random.between(1, 3), self.random.between(1, 3));
        let (boxes, channels, priors) = self.boxes(version, classes);
        self.say(format!("map = x |> conv({channels}, 1) |> l2_normalize(eps: 0.5)"));
        self.say(format!("x = 0.05 * yolo_decode(map, {STRIDE}, {priors}, version: v{version})"));
        self.shape = vec![cells * boxes, 5 + classes];
    }

    /// How many boxes a cell of a map has, how many channels the map, and how one says so.
    fn boxes(&mut self, version: usize, classes: usize) -> (usize, usize, String) {
        let boxes = self.random.between(1, 2);
        if version == 1 {
            return (boxes, 5 * boxes + classes, format!("boxes: {boxes}"));
        }
        let anchors = ["(5, 9)", "(12.5, 7)"][..boxes].join(", ");
        (boxes, boxes * (5 + classes), format!("anchors: [{anchors}]"))
    }

    /// A map of boxes beside objects.
    pub(super) fn yolo(&mut self) {
        let (version, classes) = (self.random.between(1, 3), self.random.between(1, 4));
        let (_, channels, priors) = self.boxes(version, classes);
        self.say(format!("map = x |> conv({channels}, 1) |> l2_normalize(eps: 0.5)"));
        self.say("output map".into());
        self.objects(classes);
        let rescore: &[&str] = &["rescore: false", "rescore: true"];
        let more = match version {
            1 => self.some(&[&["coord: 2", "coord: 0.5"], &["noobj: 1"], rescore]),
            2 => {
                self.some(&[&["coord: 3"], &["object: 3"], &["noobj: 0.7"], &["class: 1.3"], &["ignore: 0.3"], rescore])
            }
            _ => self.some(&[&["others: [(20, 20), (3, 4)]"], &["ignore: 0.2"]]),
        };
        self.losses.push(format!("yolo_v{version}(map, objects, {STRIDE}, {priors}{more})"));
    }

    /// Anchors beside objects.
    pub(super) fn rpn(&mut self) {
        self.say("objectness = x |> conv(2, 1)".into());
        self.say("deltas = x |> conv(8, 1)".into());
        self.say("output objectness".into());
        self.say("output deltas".into());
        self.objects(1);
        let more = self.some(&[
            &["positive: 0.4, negative: 0.2", "negative: 0.1"],
            &["sample: 8"],
            &["balance: 2"],
            &["image: 33", "image: [30, 37]"],
        ]);
        self.losses.push(format!("rpn(objectness, deltas, objects, {STRIDE}, scales: [9, 14], ratios: [1]{more})"));
    }

    /// Regions beside objects: some of the regions are near.
    pub(super) fn fast_rcnn(&mut self) {
        let (count, classes) = (self.random.between(1, 6), self.random.between(1, 3));
        for (name, width) in [("said", 1 + classes), ("moved", 4 * (1 + classes))] {
            self.say(format!("{name} = x |> flatten |> dense({}) |> reshape([{count}, {width}])", count * width));
            self.say(format!("output {name}"));
        }
        self.objects(classes);
        self.targets.push(format!(
            "    target edges: [{count}, 4]\n    rois = concat(20 * slice(edges, 0, 2, axis: 1), 20 + 20 * slice(edges, 2, 4, axis: 1), axis: 1)\n"
        ));
        let more = self.some(&[
            &["positive: 0.3", "positive: 0.4"],
            &["negative: 0", "negative: 0.2"],
            &["sample: 5"],
            &["share: 0.5"],
            &["balance: 2"],
        ]);
        self.losses.push(format!("fast_rcnn(said, moved, rois, objects{more})"));
    }

    /// Objects in a picture of about 40 pixels, some of them padding.
    fn objects(&mut self, classes: usize) {
        self.targets.push(format!(
            "    target wanted: [{OBJECTS}, 5]\n    objects = concat({classes} * slice(wanted, 0, 1, axis: 1) - 0.5, 40 * slice(wanted, 1, 5, axis: 1), axis: 1)\n"
        ));
    }
}
