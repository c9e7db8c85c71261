"""The company's own accounts: whom its OpenID Connect provider knows."""

from bot.single_sign_on.provider import CompanyAccounts

__all__ = ["CompanyAccounts"]
