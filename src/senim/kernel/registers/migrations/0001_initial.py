"""Queries that people keep."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="SavedQuery",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("register", models.CharField(max_length=80)),
                ("name", models.CharField(max_length=80, verbose_name="Name of the query")),
                (
                    "query",
                    models.CharField(help_text="The query string, without a place in the list.", max_length=2000),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "owner",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
            ],
            options={
                "verbose_name": "saved query",
                "verbose_name_plural": "saved queries",
                "constraints": [
                    models.UniqueConstraint(fields=("owner", "register", "name"), name="savedquery_named_once"),
                    models.CheckConstraint(condition=models.Q(("name", ""), _negated=True), name="savedquery_named"),
                ],
            },
        ),
    ]
