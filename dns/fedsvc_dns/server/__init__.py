"""The embedded authoritative name server: zones from record sets, answered over UDP and TCP.

Pure: what is given (`zone_data`), what is asked (`wire`), what a zone holds (`zone`), what the answer is (`lookup`,
`choice`, `places`), its octets (`compose`, `responder`, `transfer`) and how many somebody gets (`rate`). Shell: text to
octets (`encoding`, `zone_file`), the file of the last zones (`kept`), sockets (`udp`, `tcp`) and what holds all
together (`name_server`).
"""
