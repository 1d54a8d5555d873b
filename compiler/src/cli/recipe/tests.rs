mod data;
mod names;
mod page;
mod places;
