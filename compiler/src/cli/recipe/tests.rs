mod data;
mod page;
