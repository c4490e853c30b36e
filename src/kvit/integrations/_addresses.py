"""Which addresses of the network a webhook may be sent to: those of the open internet alone.

A name is harmless until it is resolved, and may be resolved otherwise a second later; so what is
checked is the address that the connection then goes to (`outbound`). An IPv6 address can carry an
IPv4 one inside (mapped, NAT64, 6to4, Teredo): what is inside counts.
"""

import ipaddress

_GLOBAL_6 = ipaddress.ip_network("2000::/3")
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_REFUSED = tuple(
    ipaddress.ip_network(one)
    for one in (
        "192.88.99.0/24",  # relays of 6to4
        "2001::/32",  # Teredo: who is behind it nobody can tell
        "2002::/16",  # 6to4
        "3fff::/20",  # documentation
    )
)

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def is_open(text: str) -> bool:
    """Whether an address, as the resolver gives it, belongs to the open internet."""
    try:
        address: Address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    if "%" in text:  # an address with a zone is of the link that the machine stands on
        return False
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return is_open(str(address.ipv4_mapped))
        if address in _NAT64:
            return is_open(str(ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)))
        if address not in _GLOBAL_6:
            return False
    if any(address.version == net.version and address in net for net in _REFUSED):
        return False
    return address.is_global and not address.is_multicast and not address.is_reserved
