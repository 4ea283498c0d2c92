"""Several shops in one server, each below `/shops/NAME`, none of which can see another's."""
