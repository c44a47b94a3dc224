"""What settings say of whose patient numbers are whose."""

from __future__ import annotations

from bridge.sections.section import Section


class Authority(Section):
    """One assigning authority under its three names. name: HL7 CX.4.1; oid: CX.4.2; system: FHIR Identifier.system."""

    name: str
    oid: str = ""
    system: str = ""


class IdentitySection(Section):
    """authority: what an identifier without an assigning authority means here."""

    authority: str = "LOCAL"
    authorities: tuple[Authority, ...] = ()

    def system_of(self, issuer: str) -> str:
        """
        Return the FHIR system of *issuer*, "" meaning our own authority.

        One that is not configured gets a URN of ours, never its bare name.
        """
        issuer = issuer or self.authority
        for authority in self.authorities:
            if issuer in (authority.name, authority.oid):
                return authority.system or (f"urn:oid:{authority.oid}" if authority.oid else _own_urn(issuer))
        return _own_urn(issuer)

    def issuer_of(self, system: str) -> str:
        """Return the name we keep for whoever a FHIR *system* stands for, "" meaning our own authority; else itself."""
        own = system.removeprefix(_own_urn(""))
        if not system or own != system:
            return own or self.authority
        found = next((one.name for one in self.authorities if self.system_of(one.name) == system), "")
        return found or self.name_of(system.removeprefix("urn:oid:"))

    def oid_of(self, issuer: str) -> str:
        """Return the OID of *issuer*, "" if none is configured."""
        return next((a.oid for a in self.authorities if a.name == issuer), "")

    def name_of(self, issuer: str) -> str:
        """Return the one name we keep for *issuer*, which may come as its name or its OID."""
        return next((a.name for a in self.authorities if a.oid and a.oid == issuer), issuer)


def _own_urn(issuer: str) -> str:
    return f"urn:imaging-bridge:authority:{issuer}"
