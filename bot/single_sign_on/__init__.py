"""The company's own accounts: whom its OpenID Connect provider knows."""

from bot.single_sign_on.provider import LASTS, CompanyAccounts

__all__ = ["LASTS", "CompanyAccounts"]
