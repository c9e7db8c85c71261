"""A double of the WeChat Official Account platform, with a phone page. Imports nothing of ours."""
