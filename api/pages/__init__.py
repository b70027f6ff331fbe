"""The web pages behind the links in messages: server-rendered, in Japanese and English, usable without JavaScript.

GET shows, POST acts. Rules live in the models; a page only says what they said.
"""

from fastapi import APIRouter

from api.pages import assets, booking, call, code, device, shop

router = APIRouter(include_in_schema=False)
for part in (shop, code, booking, call, device, assets):
    router.include_router(part.router)

__all__ = ["router"]
